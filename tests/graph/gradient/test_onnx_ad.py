"""Gradients as of onnx-ad, which builds them from rules of its own, where it takes the graph."""

from __future__ import annotations

import importlib
import os

import numpy as np
import onnx
import pytest
from gradient_checks import close, derived, model_of, run
from onnx_graphs import node, random

POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
GRAPHS = {
    "stem": [
        node("Conv", "x w b", "c", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c s b b v", "n"),
        node("Relu", "n", "r"),
        node("MaxPool", "r", "y", **POOL),
    ],
    "squeeze and excite": [
        node("Conv", "x w b", "c"),
        node("GlobalAveragePool", "c", "g"),
        node("Sigmoid", "g", "q"),
        node("Mul", "c q", "m"),
        node("AveragePool", "m", "y", **POOL),
    ],
    "residual": [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("LeakyRelu", "c", "l", alpha=0.2),
        node("ConvTranspose", "l u", "t", pads=[1, 1, 1, 1]),
        node("Add", "t x", "a"),
        node("Tanh", "a", "y"),
    ],
}
WEIGHTS = {
    "w": random(4, 3, 3, 3, seed=1),
    "u": random(4, 3, 3, 3, seed=2),
    **{name: random(4, seed=place) for place, name in enumerate("sb")},
    "v": np.abs(random(4, seed=5)) + np.float32(0.5),
}


@pytest.mark.keras
@pytest.mark.parametrize("name", GRAPHS)
def test_onnx_ad(name: str) -> None:
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    x = {"x": random(2, 3, 12, 12)}
    model = onnx.shape_inference.infer_shapes(model_of(GRAPHS[name], x, WEIGHTS))
    adjoint = find("onnx_ad").reverse(model, layout="onnx")
    (output,) = run(model, x)
    _, expected = run(adjoint, {**x, "adj_y": np.ones((*output.shape, 1), np.float32)})
    (found,) = derived(model, x)
    close(found, expected[..., 0])
