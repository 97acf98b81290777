"""Shapes for an input of known size, compared with the arrays that ONNX Runtime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, random

from filterkit.graph.view import shapes
from filterkit.graph.view.shapes import (
    MOST_ROUNDS,
    Contradiction,
    infer_shapes,
    most_rounds,
    without_weights,
)

COMPUTED = [
    node("Conv", "x w", "c", strides=[2, 2]),
    node("Shape", "c", "s"),
    node("Gather", "s two", "height"),
    node("Unsqueeze", "height zero", "h"),
    node("Concat", "one minus h", "target", axis=0),
    node("Reshape", "c target", "r"),
    node("Shape", "r", "t"),
    node("Expand", "half t", "e"),
    node("Add", "r e", "y"),
]
"""Shapes computed from shapes that are computed from shapes."""

CONSTANTS: dict[str, Any] = {
    "w": random(4, 3, 3, 3),
    "two": np.array(2),
    "zero": np.array([0]),
    "one": np.array([1]),
    "minus": np.array([-1]),
    "half": np.float32([0.5]),
}


def by_onnxruntime(model: onnx.ModelProto, size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    names = [name for each in model.graph.node for name in each.output]
    whole = onnx.ModelProto.FromString(model.SerializeToString())
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(names, {"x": np.zeros(size, np.float32)})
    return {name: np.shape(value) for name, value in zip(names, values, strict=True)}


@pytest.mark.parametrize("size", [(1, 3, 9, 9), (1, 3, 24, 31), (1, 3, 3, 3)])
@pytest.mark.parametrize("opset", [13, 17])
def test_shapes_are_those_of_the_arrays(size: tuple[int, ...], opset: int) -> None:
    model = build(COMPUTED, {"x": [1, 3, "H", "W"]}, CONSTANTS, opset=opset)
    skeleton = without_weights(model)
    before = skeleton.SerializeToString()
    found = infer_shapes(skeleton, "x", size)
    expected = by_onnxruntime(model, size)
    assert {name: found[name] for name in expected} == expected
    assert skeleton.SerializeToString() == before


@pytest.mark.parametrize(
    ("sizes", "allowed"), [((7, 5), True), ((7, 6), False), ((2**62, 5), True), ((2**63, 5), False)]
)
def test_sizes_that_the_graph_does_not_allow(sizes: tuple[int, ...], allowed: bool) -> None:
    skeleton = without_weights(build([node("MatMul", "x w", "y")], {"x": ["N", "K"]}, {"w": random(5, 4)}))
    if allowed:
        assert infer_shapes(skeleton, "x", sizes)["y"] == (sizes[0], 4)
    else:
        with pytest.raises(Contradiction):
            infer_shapes(skeleton, "x", sizes)


def test_a_skeleton_has_no_large_weights() -> None:
    model = build([node("Conv", "x w", "y")], {"x": [1, 64, 9, 9]}, {"w": random(64, 64, 3, 3)})
    skeleton = without_weights(model)
    assert len(skeleton.SerializeToString()) < 1000 < len(model.SerializeToString())
    assert infer_shapes(skeleton, "x", (1, 64, 9, 9))["y"] == (1, 64, 7, 7)


def test_rounds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_NODES", 8 * MOST_ROUNDS)
    for nodes, rounds in ((0, MOST_ROUNDS), (8, MOST_ROUNDS), (9, 56), (MOST_ROUNDS, 8), (600, 1)):
        model = onnx.ModelProto()
        model.graph.node.extend([onnx.NodeProto()] * nodes)
        assert most_rounds(model) == rounds
