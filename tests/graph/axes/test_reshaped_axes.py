"""Receptive fields through Reshapes, flips and other moves, compared with what outputs depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from dependence import SPLIT, H, W, check, last, reshape, widths
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random


@pytest.mark.parametrize("perm", [[0, 3, 5, 1, 2, 4], [0, 1, 3, 5, 2, 4], [0, 5, 3, 1, 2, 4]])
def test_space_to_depth_as_reshapes(perm: list[int]) -> None:
    nodes = [reshape("x", "r"), node("Transpose", "r", "t", perm=perm), reshape("t", "s")]
    layer = check(nodes, 8, **SPLIT)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))
    assert layer.global_context is False
    assert layer.output_shape == (1, 1, H // 2, W // 2)


def test_space_to_depth_as_an_operator_and_as_slices() -> None:
    layer = check([node("SpaceToDepth", "x", "s", blocksize=2)], 8)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))
    starts = {f"b{place}": [place // 2, place % 2] for place in range(4)}
    nodes = [node("Slice", f"x b{place} end axes two", f"q{place}") for place in range(4)]
    nodes.append(node("Concat", "q0 q1 q2 q3", "s", axis=1))
    sliced = check(nodes, 8, **starts, end=[999, 999], axes=[2, 3], two=[2, 2])
    assert sliced.receptive_field == (6, 6)
    one_by_one = [
        *(node("Slice", f"x row{place} far h step", f"r{place}") for place in range(2)),
        *(node("Slice", f"r{place // 2} row{place % 2} far v step", f"q{place}") for place in range(4)),
        node("Concat", "q0 q1 q2 q3", "s", axis=1),
    ]
    constants = {"row0": [0], "row1": [1], "far": [2**31 - 1], "h": [2], "v": [3], "step": [2]}
    assert check(one_by_one, 8, **constants).receptive_field == (6, 6)


def test_halves_that_are_merged_in_another_order_are_not_whole() -> None:
    """Rows as (first half or second half, row) are far apart: nothing is followed."""
    nodes = [reshape("x", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]), reshape("t", "s")]
    constants = {"r_shape": [1, 2, 2, H // 2, W], "s_shape": [1, 4, H // 2, W]}
    layer, sees = last(nodes, 4, **constants)
    assert layer.receptive_field is None
    assert max(widths(sees[0])) > H // 2


@pytest.mark.parametrize("order", ["DCR", "CRD"])
def test_depth_to_space_as_reshapes(order: str) -> None:
    """DCR and CRD differ in the channels alone."""
    perm = [0, 3, 4, 1, 5, 2] if order == "DCR" else [0, 1, 4, 2, 5, 3]
    nodes = [
        node("Conv", "x wide", "c"),
        reshape("c", "r"),
        node("Transpose", "r", "t", perm=perm),
        reshape("t", "s"),
    ]
    wide = np.ones((8, 2, 1, 1), np.float32)
    layer = check(nodes, 2, wide=wide, r_shape=[1, 2, 2, 2, H, W], s_shape=[1, 2, 2 * H, 2 * W])
    assert (layer.receptive_field, layer.jump) == ((2, 2), (0.5, 0.5))
    plain = check(
        [node("Conv", "x wide", "c"), node("DepthToSpace", "c", "s", blocksize=2, mode=order)], 2, wide=wide
    )
    assert plain == layer


def test_there_and_back_is_nothing() -> None:
    """Windows of 4x4, as attention within windows makes them, and what is in them put back."""
    nodes = [
        reshape("x", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 4, 3, 5, 1]),
        reshape("t", "m"),
        node("Relu", "m", "n"),
        reshape("n", "o"),
        node("Transpose", "o", "p", perm=[0, 5, 1, 3, 2, 4]),
        reshape("p", "s"),
    ]
    parts = H // 4, W // 4
    shapes = {
        "r_shape": [1, 2, parts[0], 4, parts[1], 4],
        "m_shape": [parts[0] * parts[1], 16, 2],
        "o_shape": [1, *parts, 4, 4, 2],
        "s_shape": [1, 2, H, W],
    }
    layer = check(nodes, 2, **shapes)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((3, 3), (1, 1), (1, 1))
    mixed = [*nodes[:3], node("Softmax", "m", "n", axis=1), *nodes[4:]]
    layer = check(mixed, 2, **shapes)
    assert (layer.receptive_field, layer.global_context) == ((8, 8), False)


def test_a_convolution_on_every_second_place_is_a_dilated_one() -> None:
    """Space to batch, a convolution, and back: what some exporters make of a dilated convolution."""
    nodes = [
        reshape("x", "r"),
        node("Transpose", "r", "t", perm=[3, 5, 0, 1, 2, 4]),
        reshape("t", "m"),
        node("Conv", "m v", "n", pads=[1] * 4),
        reshape("n", "o"),
        node("Transpose", "o", "p", perm=[2, 3, 4, 0, 5, 1]),
        reshape("p", "s"),
    ]
    shapes = {
        "r_shape": [1, 2, H // 2, 2, W // 2, 2],
        "m_shape": [4, 2, H // 2, W // 2],
        "o_shape": [2, 2, 1, 1, H // 2, W // 2],
        "s_shape": [1, 1, H, W],
    }
    layer = check(nodes, 1, v=np.ones((1, 2, 3, 3), np.float32), **shapes)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((7, 7), (1, 1), (3, 3))


def test_places_on_one_axis() -> None:
    """A 1x1 convolution over all places at once, between Reshapes."""
    nodes = [reshape("x", "r"), node("Conv", "r one", "c"), reshape("c", "s")]
    constants = {"r_shape": [1, 2, H * W], "s_shape": [1, 2, H, W], "one": np.ones((2, 2, 1), np.float32)}
    assert check(nodes, 2, **constants).receptive_field == (3, 3)
    beside = [*nodes[:2], node("Add", "c r", "d"), reshape("d", "s")]
    assert check(beside, 2, **constants).receptive_field == (3, 3)
    wide = [reshape("x", "r"), node("Conv", "r three", "c", pads=[1, 1]), reshape("c", "s")]
    layer, _ = last(wide, 2, **constants, three=np.ones((2, 2, 3), np.float32))
    assert (layer.receptive_field, layer.global_context) == (None, None)


@pytest.mark.parametrize(
    "cut",
    [
        node("Slice", "r zero few axis", "c"),
        node("Pad", "r behind", "c"),
        node("Split", "r parts", "c other", axis=2),
        node("Concat", "r more", "c", axis=2),
        node("Conv", "r one", "c", pads=[0, W]),
    ],
    ids=lambda cut: cut.op_type,
)
def test_places_that_become_more_or_fewer_are_followed_no_longer(cut: onnx.NodeProto) -> None:
    """Nothing says any more which of them are rows and which columns."""
    rows = H - 1 if cut.op_type in ("Slice", "Split") else H + 1
    nodes = [reshape("x", "r"), cut, reshape("c", "s")]
    constants = {
        "r_shape": [1, 2, H * W], "s_shape": [1, 2, rows * W // 2, 2], "zero": [0], "few": [(H - 1) * W],
        "axis": [2], "behind": [0, 0, 0, 0, 0, W], "parts": [(H - 1) * W, W],
        "more": np.ones((1, 2, W), np.float32), "one": np.ones((2, 2, 1), np.float32),
    }  # fmt: skip
    layer, _ = last(nodes, 2, **constants)
    assert layer.receptive_field is None


def test_places_that_were_convolved_in_between() -> None:
    """Tokens beside the same tokens behind a depthwise convolution over their picture."""
    nodes = [
        reshape("x", "r"),
        node("Conv", "x three", "c", pads=[1] * 4),
        reshape("c", "t"),
        node("Add", "r t", "d"),
        reshape("d", "s"),
    ]
    shapes = {"r_shape": [1, 2, -1], "t_shape": [1, 2, -1], "s_shape": [1, 2, H, W]}
    layer = check(nodes, 2, three=np.ones((2, 2, 3, 3), np.float32), **shapes)
    assert (layer.receptive_field, layer.offset) == ((5, 5), (2, 2))


def test_upsampling_as_reshapes() -> None:
    nodes = [reshape("x", "r"), node("Expand", "r e", "t"), reshape("t", "s")]
    shapes = {"r_shape": [1, 2, H, 1, W, 1], "e": [1, 2, H, 2, W, 2], "s_shape": [1, 2, 2 * H, 2 * W]}
    layer = check(nodes, 2, **shapes)
    assert (layer.receptive_field, layer.jump) == ((2, 2), (0.5, 0.5))


def test_pooling_as_reshapes() -> None:
    nodes = [reshape("x", "r"), node("ReduceMax", "r", "s", axes=[3, 5], keepdims=0)]
    layer = check(nodes, 2, **SPLIT)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))


def test_group_norms_show_the_whole_picture() -> None:
    nodes = [
        reshape("x", "r"),
        node("InstanceNormalization", "r one zero", "n"),
        reshape("n", "o"),
        node("Mul", "o scale", "s"),
    ]
    constants = {
        "r_shape": [0, 1, -1],
        "o_shape": [1, 2, H, W],
        "one": np.ones(1, np.float32),
        "zero": np.zeros(1, np.float32),
        "scale": random(2, 1, 1),
    }
    layer, sees = last(nodes, 2, **constants)
    assert layer.receptive_field == (3, 3)
    assert layer.global_context is True
    assert all(seen.all() for seen in sees)


def test_halves_that_are_convolved_apart() -> None:
    nodes = [
        node("Split", "x", "a b", axis=2),
        node("Conv", "a three", "c", pads=[1] * 4),
        node("Conv", "b five", "d", pads=[2] * 4),
        node("Concat", "c d", "s", axis=2),
    ]
    weights = {"three": np.ones((2, 2, 3, 3), np.float32), "five": np.ones((2, 2, 5, 5), np.float32)}
    layer, sees = last(nodes, 2, **weights)
    assert layer.receptive_field == (7, 7)
    assert max(widths(sees[1])) == 7


@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize("how", ["operators", "reshapes", "slices"])
def test_space_to_depth_and_back(how: str, block: int) -> None:
    """Nothing has moved, which is seen where no slices were put on each other in between."""
    split = {"r_shape": [1, 2, H // block, block, W // block, block]}
    merged = [1, 2 * block**2, H // block, W // block]
    there: list[onnx.NodeProto] = [node("SpaceToDepth", "x", "d", blocksize=block)]
    if how == "reshapes":
        there = [reshape("x", "r"), node("Transpose", "r", "t", perm=[0, 3, 5, 1, 2, 4]), reshape("t", "d")]
    if how == "slices":
        parts = [(row, column) for row in range(block) for column in range(block)]
        there = [node("Slice", f"x b{row}{column} end axes step", f"p{row}{column}") for row, column in parts]
        there.append(node("Concat", " ".join(f"p{row}{column}" for row, column in parts), "d", axis=1))
        split = {f"b{row}{column}": [row, column] for row, column in parts}
        split |= {"end": [999, 999], "axes": [2, 3], "step": [block] * 2}
    back = node("DepthToSpace", "d", "s", blocksize=block)
    layer, sees = last([*there, back], 2, **split, d_shape=merged)
    assert max(widths(sees[0])) == 3
    assert layer.receptive_field == ((3, 3) if how != "slices" else (2 * block, 2 * block))
    assert layer.jump == (1, 1)


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
