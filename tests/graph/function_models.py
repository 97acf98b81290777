"""Bodies of nodes, and functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx_graphs import FLOAT, build, opened, random

from filterkit.graph.view.view import GraphView

WEIGHT = random(4, 2, 3, 3)


def body(
    nodes: Sequence[onnx.NodeProto],
    output: str,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    extra: Sequence[str] = (),
    **constants: np.ndarray,
) -> onnx.GraphProto:
    outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in (*extra, output)]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_graph(list(nodes), "body", list(inputs), outputs, stored)


def if_(
    then: onnx.GraphProto, other: onnx.GraphProto, output: str = "y", name: str = "choose"
) -> onnx.NodeProto:
    return helper.make_node("If", ["c"], [output], name=name, then_branch=then, else_branch=other)


def opened_with(*nodes: onnx.NodeProto, **constants: np.ndarray) -> GraphView:
    return opened(build(nodes, {"x": [1, 2, 8, 8]}, {"c": np.array(True), **constants}))
