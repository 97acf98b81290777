"""Where a weight is stored, as what, and in which order of axes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, opened, random

import filterkit


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Identity", "s", "w")], ("s", "float32", "IO")),
        ([node("Transpose", "s", "w", perm=[1, 0])], ("s", "float32", "OI")),
        ([node("Transpose", "s", "w")], ("s", "float32", "OI")),
        ([node("Unsqueeze", "s zero", "w")], ("s", "float32", "IO")),
        ([node("Transpose", "s", "t"), node("Unsqueeze", "t zero", "w")], ("s", "float32", "OI")),
        (
            [node("Unsqueeze", "s zero", "t"), node("Transpose", "t", "w", perm=[0, 2, 1])],
            ("s", "float32", "OI"),
        ),
        ([node("Mul", "scale s", "w")], ("s", "float32", "IO")),
        ([node("Reshape", "s shape", "w")], ("s", "float32", "reshaped")),
        ([node("DequantizeLinear", "codes scale", "w")], ("codes", "int8", "IO")),
    ],
)
def test_origin_of_a_weight(nodes: list[onnx.NodeProto], expected: tuple[str, str, str]) -> None:
    constants = {
        "s": random(4, 4),
        "codes": np.ones((4, 4), np.int8),
        "zero": np.zeros(1, np.int64),
        "scale": np.float32(2),
        "shape": np.array([2, 8]),
    }
    used = {name for each in nodes for name in each.input}
    model = build(
        [*nodes, node("MatMul", "x w", "y")],
        {"x": ["N", "K"]},
        {name: value for name, value in constants.items() if name in used},
    )
    assert filterkit.stored_as(opened(model), "w", "IO") == expected


def test_generated_weight_has_no_type() -> None:
    graph = opened(build([node("Relu", "x", "y")], {"x": ["N", 4]}, {}))
    for tensor, origin in {"absent": "absent", "x": "x", "y": "x"}.items():
        assert filterkit.stored_as(graph, tensor, "IO") == (origin, "?", "IO")
