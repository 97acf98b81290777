"""Receptive fields of random chains of Reshapes, flips and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from dependence import last, widths
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node


class Chain:
    """Nodes one behind the other, with the sizes that they make."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Any] = {}
        self.here, self.sizes = "x", [2, 64, 64]

    def add(self, operator: str, *numbers: Any, **attributes: Any) -> None:
        """A node behind the last one, with further inputs."""
        there = f"t{len(self.nodes)}"
        names = [f"{there}_{place}" for place in range(len(numbers))]
        self.constants |= dict(zip(names, map(np.asarray, numbers), strict=True))
        self.nodes.append(node(operator, " ".join([self.here, *names]), there, **attributes))
        self.here = there

    def conv(self, kernel: int, stride: int, channels: int | None = None) -> None:
        before, *space = self.sizes
        after = channels or before
        weight = np.full((after, before, kernel, kernel), 1 / (before * kernel), np.float32)
        self.add("Conv", weight, strides=[stride] * 2, pads=[kernel // 2] * 4)
        self.sizes = [after, *(-(-size // stride) for size in space)]

    def split(self, block: int, perm: Sequence[int], sizes: Sequence[int]) -> None:
        """Reshape to blocks, transpose, and reshape to `sizes`."""
        c, h, w = self.sizes
        self.add("Reshape", [1, c, h // block, block, w // block, block])
        self.add("Transpose", perm=list(perm))
        self.add("Reshape", list(sizes))

    def step(self, kind: str, draw: st.DrawFn) -> None:
        c, h, w = self.sizes
        match kind:
            case "conv":
                self.conv(draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 1, 2])))
            case "down":
                self.split(2, [0, 3, 5, 1, 2, 4], [1, 4 * c, h // 2, w // 2])
                self.sizes = [4 * c, h // 2, w // 2]
                self.conv(1, 1, 2)
            case "up":
                self.conv(1, 1, 8)
                self.add("Reshape", [1, 2, 2, 2, h, w])
                self.add("Transpose", perm=[0, 1, 4, 2, 5, 3])
                self.add("Reshape", [1, 2, 2 * h, 2 * w])
                self.sizes = [2, 2 * h, 2 * w]
            case "flip":
                axis = draw(st.sampled_from([2, 3]))
                self.add("Slice", [-1], [-(10**6)], [axis], [-1])
            case "windows":
                self.split(4, [0, 2, 4, 3, 5, 1], [h // 4 * (w // 4), 16, c])
                if draw(st.booleans()):
                    self.add("MatMul", np.ones((c, c), np.float32))
                if draw(st.booleans()):
                    self.add("ReduceMean", axes=[1], keepdims=1)
                    self.add("Expand", [1, 16, 1])
                self.add("Reshape", [1, h // 4, w // 4, 4, 4, c])
                self.add("Transpose", perm=[0, 5, 1, 3, 2, 4])
                self.add("Reshape", [1, c, h, w])
            case "dilated":
                self.split(2, [3, 5, 0, 1, 2, 4], [4, c, h // 2, w // 2])
                self.conv(3, 1)
                self.add("Reshape", [2, 2, 1, c, h // 2, w // 2])
                self.add("Transpose", perm=[2, 3, 4, 0, 5, 1])
                self.add("Reshape", [1, c, h, w])
            case "places":
                self.add("Reshape", [1, c, h * w])
                self.add("Conv", np.ones((c, c, 1), np.float32))
                self.add("Reshape", [1, c, h, w])
            case "pool":
                self.add("Reshape", [1, c, h // 2, 2, w // 2, 2])
                self.add("ReduceMean", axes=[3, 5], keepdims=0)
                self.sizes = [c, h // 2, w // 2]
            case _:
                self.add("Reshape", [1, c, h, 1, w, 1])
                self.add("Expand", [1, 1, 1, 2, 1, 2])
                self.add("Reshape", [1, c, 2 * h, 2 * w])
                self.sizes = [c, 2 * h, 2 * w]


STEPS = ("conv", "down", "up", "flip", "windows", "dilated", "places", "pool", "repeat")


@st.composite
def reshapes(draw: st.DrawFn) -> Chain:
    chain = Chain()
    for _ in range(draw(st.integers(1, 4))):
        if min(chain.sizes[1:]) % 8 == 0:  # blocks of 4 have to fit, twice
            chain.step(draw(st.sampled_from(STEPS)), draw)
    chain.conv(1, 1, 2)
    chain.add("Identity")
    return chain


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(reshapes())
def test_chains_of_reshapes(chain: Chain) -> None:
    """Exact, as far as the middle of a picture of 64 by 64 tells."""
    chain.nodes[-1].output[0] = "s"
    layer, sees = last(chain.nodes, 2, 64, 64, **chain.constants)
    assert layer.receptive_field is not None and layer.jump is not None
    assert layer.global_context is False
    for seen, field, jump in zip(sees, layer.receptive_field, layer.jump, strict=True):
        size = seen.shape[1]
        inside = [row for row in seen if row.any() and not row[0] and not row[-1]]
        assert max((int(np.ptp(np.flatnonzero(row))) + 1 for row in inside), default=0) <= field
        if field < size / 3:
            assert max(widths(seen)) == field
        assert jump == size / len(seen)
