"""One node with constant inputs, computed by onnx's own evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from filterkit.geometry import product
from filterkit.graph.amended import amended
from filterkit.graph.foldable import QUANTIZATION, Inputs, Textual, cost_of
from filterkit.graph.walk import attributes

EVALUATED_AS = dict.fromkeys(QUANTIZATION, 21)
"""Opset to evaluate an operator in at least: onnx's evaluator does not have all of it in earlier ones."""

FLATTENING = ("Softmax", "LogSoftmax", "Hardmax")
"""Before opset 13 they worked on rows of a matrix: all axes from `axis` on made one, all before another one.
onnx's evaluator knows the later meaning alone."""


class Random(Exception):
    """A node makes another thing at every run."""


def evaluate(node: onnx.NodeProto, inputs: Inputs, opset: int, ir_version: int) -> Sequence[Any]:
    """What a foldable node makes, one value per output; lists where it makes sequences.

    Parameters
    ----------
    inputs
        One per input of the node; None for those that are left out.
    opset
        Of the standard operators, in the node's model.

    Raises
    ------
    Random
        It is a Dropout that is in training.
    Exception
        The evaluator raises whatever a malformed node leads it to.
    """
    if node.op_type == "Dropout" and len(inputs) > 2 and inputs[2] is not None and bool(np.any(inputs[2])):
        raise Random
    own = amended(node.op_type, opset)
    with np.errstate(all="ignore"):
        if own is not None:
            if len(node.output) != 1:
                raise ValueError("more outputs than the operator has")
            return [np.asarray(own(inputs, attributes(node), opset))]
        if node.op_type in FLATTENING and opset < 13:
            matrix = _as_matrix(inputs[0], attributes(node).get("axis", 1))
            rows = onnx.NodeProto(op_type=node.op_type, input=["x"], output=["y"])
            return [_evaluated(rows, [matrix], 13, ir_version)[0].reshape(inputs[0].shape)]
        return _evaluated(*_rewritten(node, inputs, opset), ir_version)


def _evaluated(node: onnx.NodeProto, inputs: Inputs, opset: int, ir_version: int) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    names = [f"i{place}" if value is not None else "" for place, value in enumerate(inputs)]
    standard = onnx.NodeProto()
    standard.CopyFrom(node)
    standard.domain = ""
    standard.input[:] = names
    feeds = {name: value for name, value in zip(names, inputs, strict=True) if name}
    lone = onnx.GraphProto(name="constant", node=[standard])
    lone.input.extend(onnx.ValueInfoProto(name=name) for name in feeds)
    lone.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    model = onnx.ModelProto(ir_version=ir_version, graph=lone)
    opset = max(min(opset, onnx.defs.onnx_opset_version()), EVALUATED_AS.get(node.op_type, 1))
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    made = iter(ReferenceEvaluator(model).run(None, feeds))
    return [_as_value(next(made)) if name else np.empty(0) for name in node.output]


def _rewritten(node: onnx.NodeProto, inputs: Inputs, opset: int) -> tuple[onnx.NodeProto, Inputs, int]:
    """A node that onnx's evaluator knows and that does the same; most are their own."""
    values = attributes(node)
    if node.op_type == "Scatter":
        scatter = onnx.NodeProto()
        scatter.CopyFrom(node)
        scatter.op_type = "ScatterElements"
        return scatter, inputs, 18
    if node.op_type == "Upsample" or (node.op_type == "Resize" and opset < 11):
        scales = inputs[1] if len(inputs) > 1 else np.float32(values["scales"])
        nearest = "ceil" if node.op_type == "Resize" and bool(np.any(scales < 1)) else "floor"
        options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": nearest}
        mode = values.get("mode", "nearest")
        names = ["x", "", "scales"]
        resize = onnx.helper.make_node("Resize", names, [*node.output], mode=mode, **options)
        return resize, [inputs[0], None, scales], 13
    return node, inputs, opset


def cost_of_value(value: Any) -> int:
    """As `cost_of`, of all arrays in a sequence too."""
    if isinstance(value, list):
        return sum(map(cost_of_value, value))
    return 0 if value is None else cost_of(value)


def check_numbers(inputs: Inputs) -> None:
    """Raises Textual where an input holds texts."""
    for value in inputs:
        if isinstance(value, list):
            check_numbers(value)
        elif value is not None and value.dtype.kind in "OSU":
            raise Textual


def _as_matrix(value: Any, axis: int) -> Any:
    axis = axis % value.ndim if axis < 0 else axis
    return value.reshape(product(value.shape[:axis]), product(value.shape[axis:]))


def _as_value(made: Any) -> Any:
    return made if made is None or isinstance(made, list) else np.asarray(made)
