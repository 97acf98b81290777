"""Build ONNX models in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
DOMAIN_VERSION = 1


def node(
    op: str, inputs: str, output: str, name: str = "", domain: str = "", **values: Any
) -> onnx.NodeProto:
    """Create a node.

    Parameters
    ----------
    op, domain
        The operator, and its domain unless it is the default one.
    inputs, output
        Names of tensors, separated by spaces; ``_`` for an omitted input.
    values
        Attributes of the node.
    """
    names = ["" if word == "_" else word for word in inputs.split()]
    return helper.make_node(op, names, output.split(), name=name, domain=domain, **values)


def build_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    constants: Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    *,
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Create a model from `nodes` in topological order.

    Parameters
    ----------
    inputs
        Maps names of inputs to shapes, e.g. ``["N", 3, "H", "W"]``; None for an unknown shape.
    constants
        Maps names of initializers to values.
    outputs
        Names of tensors; by default, the first output of the last node.
    dtype
        ONNX element type of inputs and outputs.
    """
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs or [nodes[-1].output[0]]],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    domains = sorted({one.domain for one in nodes} - {""})
    opsets = [("", opset), *((domain, DOMAIN_VERSION) for domain in domains)]
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(*each) for each in opsets], ir_version=ir_version
    )
