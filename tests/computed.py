"""Graphs that compute a constant, and their values in ONNX Runtime without optimizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, opened, random

from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView

SMALL = np.clip(random(3, 4), -0.9, 0.9)
ONE, HALF = np.float32(1), np.float32(0.5)
ROWS, SQUARE = random(2, 3, 4), random(3, 3)
IMAGES = random(1, 2, 5, 5)


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


def alone(operator: str, *inputs: Any, opset: int = 17, outputs: str = "w", **values: Any) -> onnx.ModelProto:
    """A graph in which one node makes ``w`` of constants; None leaves an input out."""
    names = " ".join(f"i{place}" for place in range(len(inputs)))
    constants = {f"i{place}": value for place, value in enumerate(inputs) if value is not None}
    made_by = node(operator, names, outputs, name="n", **values)
    made_by.input[:] = [name if name in constants else "" for name in made_by.input]
    return made([made_by], constants, opset)


def same(graph: onnx.ModelProto, tensor: str = "w") -> None:
    expected, value = by_onnxruntime(graph, tensor), opened(graph).constant(tensor)
    assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def reason(graph: GraphView | onnx.ModelProto, tensor: str = "w") -> str:
    """Why the tensor is no constant."""
    with pytest.raises(NotConstant) as caught:
        (graph if isinstance(graph, GraphView) else opened(graph)).constant(tensor)
    return caught.value.reason
