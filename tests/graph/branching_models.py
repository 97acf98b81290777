"""Models with branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, node, random


def graph(name: str, nodes: list[onnx.NodeProto], output: str, **weights: Any) -> onnx.GraphProto:
    stored = [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()]
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, FLOAT, None)], stored)


def branching() -> onnx.ModelProto:
    """An If in an If; the inner one reads tensors of all three graphs, and some names are used twice."""
    kernel = random(2, 2, 3, 3, seed=1)
    inner = helper.make_node(
        "If",
        ["sunny"],
        ["chosen"],
        name="inner",
        then_branch=graph(
            "sunny", [node("Conv", "h k", "t"), node("Add", "t x", "yes")], "yes", k=random(2, 2, 1, 1)
        ),
        else_branch=graph("rainy", [node("Conv", "x w", "t"), node("Mul", "t h", "no")], "no"),
    )
    outer = helper.make_node(
        "If",
        ["warm"],
        ["y"],
        name="outer",
        then_branch=graph(
            "warm",
            [node("Conv", "x w", "conv", pads=[1, 1, 1, 1]), node("Relu", "conv", "h"), inner],
            "chosen",
            w=kernel,
        ),
        else_branch=graph("cold", [node("Conv", "x v", "conv"), node("Neg", "conv", "neg")], "neg"),
    )
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, 2, 3, 3])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("warm", "sunny")]
    made = helper.make_graph(
        [outer, node("Exp", "y", "z")],
        "branching",
        inputs,
        [helper.make_tensor_value_info("z", FLOAT, None)],
        [numpy_helper.from_array(random(2, 2, 1, 1, seed=2), "v")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
