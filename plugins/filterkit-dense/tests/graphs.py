"""Small graphs for the tests, and their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import filterkit
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from filterkit_dense.extractor import DenseExtractor

RNG = np.random.default_rng(0)


def random(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def node(op: str, inputs: str, outputs: str, name: str | None = None, **attributes: object) -> onnx.NodeProto:
    made = helper.make_node(op, inputs.split(), outputs.split(), name=name or f"make {outputs}", **attributes)
    if op.startswith("Fused") or op == "MatMulNBits":
        made.domain = "com.microsoft"
    return made


def build(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    constants: Mapping[str, np.ndarray],
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model with one input ``x`` whose outputs are those of its last node."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in nodes[-1].output],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def found(model: onnx.ModelProto) -> list[filterkit.FilterBank | filterkit.Skipped]:
    return list(DenseExtractor().extract(filterkit.GraphView(model, Path("test.onnx"))))


def only_bank(model: onnx.ModelProto) -> filterkit.FilterBank:
    [bank] = found(model)
    assert isinstance(bank, filterkit.FilterBank), bank
    return bank


def why_skipped(model: onnx.ModelProto) -> str:
    [skipped] = found(model)
    assert isinstance(skipped, filterkit.Skipped)
    return skipped.reason


def run(model: onnx.ModelProto, tensor: str, x: np.ndarray) -> np.ndarray:
    """The value of any tensor, computed by ONNX Runtime."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.append(helper.make_empty_tensor_value_info(tensor))
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def channels_last(values: np.ndarray, layout: str) -> np.ndarray:
    """Rearrange a tensor to N, positions, C."""
    order = sorted(range(values.ndim), key=lambda axis: "NDHWC".index(layout[axis]))
    return values.transpose(order)
