"""Regions of elementwise nodes that make an activation: who reads them, and their limits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import onnx
import pytest
from onnx import TensorProto
from onnx_graphs import banks, build, node, opened
from tails import CONSTANTS, PICTURE, bank

from filterkit.graph.layers.elementwise_regions import MOST_NODES


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Reshape", "c mixed", "s"), node("Relu", "s", "y")],
        [node("Add", "c along", "s"), node("Relu", "s", "y")],
        [node("Add", "c r", "s"), node("Relu", "s", "y")],
        [node("Mul", "c r", "s"), node("Relu", "s", "y")],
        [node("Sigmoid", "r", "g"), node("Mul", "c g", "y")],
        [node("Max", "c r", "y")],
        [node("Mul", "c two", "s"), node("Sub", "s one", "y")],
        [node("Greater", "c zero", "g"), node("Cast", "g", "y", to=TensorProto.FLOAT)],
        [node("Relu", "c", "y"), node("Sigmoid", "c", "z")],
        [node("MaxPool", "c", "p", kernel_shape=[2, 2]), node("Relu", "p", "y")],
        [node("ReduceMean", "c a1", "m"), node("Mul", "c m", "y")],
        [node("Cast", "c", "i", to=6), node("Cast", "i", "f", to=1), node("Relu", "f", "y")],
        [node("Mul", "c c", "s"), node("Relu", "s", "y")],
    ],
    ids=[
        "mixed channels", "positions along W", "residual", "other scale", "other gate", "of two layers",
        "affine", "mask", "two activations", "pooled", "mean", "rounded", "square",
    ],
)  # fmt: skip
def test_not_an_activation_of_the_layer(nodes: list[onnx.NodeProto]) -> None:
    outputs = [each.output[0] for each in nodes if each.output[0] in ("y", "z")]
    used = {name for one in nodes for name in one.input} | {"w"}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    inputs: dict[str, Any] = {"x": PICTURE} | ({"r": [1, 4, 6, 6]} if "r" in used else {})
    found = banks(
        opened(build([node("Conv", "x w", "c"), *nodes], inputs, constants, outputs=outputs, opset=18))
    )[0]
    assert (found.activation, found.post_tensor, found.bias) == (None, "c", None)


def test_readers_of_the_shape_are_ignored() -> None:
    nodes = [
        node("Shape", "c", "shape"),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Size", "t", "size"),
        node("Relu", "c", "y"),
    ]
    model = build(
        [node("Conv", "x w", "c"), *nodes],
        {"x": PICTURE},
        {"w": CONSTANTS["w"]},
        outputs=["y", "shape", "size"],
    )
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor) == ("relu", "y")


def test_graph_outputs_are_followed() -> None:
    nodes = [node("Add", "c column", "a"), node("Sigmoid", "a", "g"), node("Mul", "a g", "y")]
    constants = {"w": CONSTANTS["w"], "column": CONSTANTS["column"]}
    model = build([node("Conv", "x w", "c"), *nodes], {"x": PICTURE}, constants, outputs=["c", "a", "g", "y"])
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("silu", "y", "a")


def test_activation_repeated_for_each_reader() -> None:
    nodes = [node("Relu", "c", "y"), node("Relu", "c", "q"), node("Add", "y q", "z")]
    found = bank(*nodes)
    assert (found.activation, found.post_tensor) == ("relu", "y")


@pytest.mark.parametrize(("count", "activation"), [(MOST_NODES - 2, "silu"), (MOST_NODES - 1, None)])
def test_limit_on_the_nodes_of_an_activation(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    gate = [node("Sigmoid", names[-1], "g"), node("Mul", "c g", "y")]
    assert bank(*steps, *gate).activation == activation


@pytest.mark.parametrize(("count", "activation"), [(MOST_NODES, "relu"), (MOST_NODES + 1, None)])
def test_limit_on_the_readers_of_a_tensor(count: int, activation: str | None) -> None:
    nodes = [node("Relu", "c", f"y{number}") for number in range(count)]
    assert bank(*nodes).activation == activation
