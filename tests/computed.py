"""Graphs that compute a constant, and their values in ONNX Runtime without optimizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx_graphs import build, node, opened


def by_onnxruntime(model: onnx.ModelProto, tensor: str) -> Any:
    model = onnx.ModelProto.FromString(model.SerializeToString())
    model.graph.output.extend([onnx.ValueInfoProto(name=tensor)])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run([tensor], {"x": np.zeros(1, np.float32)})[0]


def made(nodes: list[onnx.NodeProto], constants: dict[str, Any], opset: int = 17) -> onnx.ModelProto:
    arrays = {name: np.asarray(value) for name, value in constants.items()}
    return build([*nodes, node("Identity", "x", "y")], {"x": [1]}, arrays, opset=opset)


def same(graph: onnx.ModelProto, tensor: str = "w") -> None:
    expected, value = by_onnxruntime(graph, tensor), opened(graph).constant(tensor)
    assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
