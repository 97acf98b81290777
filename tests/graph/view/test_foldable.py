"""Which nodes are computed, how large their outputs become, and why a tensor is not constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, opened

from filterkit.graph.view.constants import NotConstant


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("Identity", "x", "y")], "an input of the model ('x')"),
        (
            [node("Relu", "x", "w", name="r")],
            "computed from the model's input at run time by node 'r' (Relu)",
        ),
        (
            [node("RandomNormal", "", "w", name="r", shape=[1])],
            "computed at run time by node 'r' (RandomNormal)",
        ),
    ],
)
def test_why_a_tensor_is_not_constant(nodes: list[onnx.NodeProto], reason: str) -> None:
    graph = opened(build(nodes, {"x": [1]}))
    tensor = "w" if "w" in nodes[0].output else "x"
    assert not graph.is_constant(tensor)
    with pytest.raises(NotConstant) as caught:
        graph.constant(tensor)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("ConstantOfShape", "n", "w")], {"n": np.array([2**20, 2**20])}),
        ([node("Expand", "k n", "w")], {"k": np.ones(1, np.float32), "n": np.array([2**40])}),
        ([node("Tile", "k n", "w")], {"k": np.ones(1, np.float32), "n": np.array([2**40])}),
        ([node("Add", "k l", "w")], {"k": np.ones((2**15, 1), np.float32), "l": np.ones(2**15, np.float32)}),
        ([node("Gather", "k n", "w")], {"k": np.ones((1, 2**15)), "n": np.zeros(2**15, np.int64)}),
    ],
    ids=lambda value: value[0].op_type if isinstance(value, list) else "",
)
def test_bombs_are_refused_before_they_are_computed(
    nodes: list[onnx.NodeProto], constants: dict[str, Any]
) -> None:
    with pytest.raises(NotConstant, match="too large"):
        opened(build(nodes, {"x": [1]}, constants)).constant("w")


def test_chains_that_double_their_size_are_refused_in_time() -> None:
    nodes = [node("Concat", f"t{place} t{place}", f"t{place + 1}", axis=0) for place in range(60)]
    with pytest.raises(NotConstant, match="too large"):
        opened(build(nodes, {"x": [1]}, {"t0": np.ones(4, np.float32)})).constant("t60")


def test_what_depends_on_the_size_of_the_input_says_so() -> None:
    nodes = [node("Shape", "x", "size", name="size"), node("ConstantOfShape", "size", "w")]
    graph = build([*nodes, node("Identity", "x", "y")], {"x": [1, 3, "H", "W"]}, {})
    with pytest.raises(
        NotConstant, match=r"computed from the size of the model's input at run time by node 'size' \(Shape\)"
    ):
        opened(graph).constant("w")
