"""Small ONNX models for tests, written and opened like any other file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph import GraphView, open_graph
from filterkit.records import FilterBank, Skipped

FLOAT = TensorProto.FLOAT


def node(
    op: str, inputs: str, output: str, name: str = "", domain: str = "", **values: Any
) -> onnx.NodeProto:
    """`inputs` and `output` are names separated by spaces; ``_`` is an input left out."""
    names = ["" if word == "_" else word for word in inputs.split()]
    return helper.make_node(op, names, output.split(), name=name, domain=domain, **values)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[Any] | None],
    constants: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    opset: int = 17,
    ir_version: int = 9,
) -> onnx.ModelProto:
    """A model; without `outputs`, the last node's."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs or [nodes[-1].output[0]]],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    domains = {one.domain for one in nodes} - {""}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def opened(model: onnx.ModelProto) -> GraphView:
    """The model, through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return open_graph(path)


def found(graph: GraphView) -> list[FilterBank | Skipped]:
    return list(ConvolutionExtractor().extract(graph))


def banks(graph: GraphView) -> list[FilterBank]:
    """All banks, of a graph in which nothing is skipped."""
    results = found(graph)
    assert not [one for one in results if isinstance(one, Skipped)]
    return [one for one in results if isinstance(one, FilterBank)]


def random(*shape: int, seed: int = 0, dtype: type[np.generic] = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
