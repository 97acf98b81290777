"""Evaluate one node with constant inputs, by onnx's reference evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from filterkit.geometry import product
from filterkit.graph.view.evaluator_fixes import fixed_operator
from filterkit.graph.view.foldable import QUANTIZATION, Inputs, Textual, cost_of
from filterkit.graph.view.walk import attributes

EVALUATED_AS = dict.fromkeys(QUANTIZATION, 21)
"""Lowest opset in which to evaluate an operator: onnx's evaluator is incomplete for it in earlier ones."""

FLATTENING = ("Softmax", "LogSoftmax", "Hardmax")
"""Before opset 13 these worked on the rows of a matrix, with all axes before `axis` merged into one, and all
others into another. onnx's evaluator implements only the later definition."""

RECURRENT = ("RNN", "GRU", "LSTM")
"""onnx's evaluator implements these with default activations only, without clipping or sequence lengths."""

Run = Callable[[onnx.GraphProto, Inputs], Sequence[Any]]
"""Computes the outputs of a body from its inputs."""


class Random(Exception):
    """The output of a node is random."""


NOTHING: Mapping[str, Any] = MappingProxyType({})


def evaluate(
    node: onnx.NodeProto, inputs: Inputs, opset: int, ir_version: int, outside: Mapping[str, Any] = NOTHING
) -> Sequence[Any]:
    """Evaluate a foldable node; returns one value per output, lists for sequences.

    Parameters
    ----------
    inputs
        One per input of the node; None for omitted ones.
    opset
        Version of the standard operators in the node's model.
    outside
        Values by name that the bodies of an If or a Loop may capture.

    Raises
    ------
    Random
        The node is a Dropout in training mode.
    Exception
        A malformed node can make the evaluator raise anything.
    """
    if node.op_type == "Dropout" and len(inputs) > 2 and inputs[2] is not None and bool(np.any(inputs[2])):
        raise Random
    if node.op_type in ("If", "Loop"):
        run = partial(_run_body, opset=opset, ir_version=ir_version, outside=outside)
        return _branch(node, inputs, run) if node.op_type == "If" else _loop(node, inputs, run)
    fixed = fixed_operator(node.op_type, opset)
    with np.errstate(all="ignore"):
        if fixed is not None:
            made = fixed(inputs, attributes(node), opset)
            made = made if isinstance(made, tuple) else (made,)
            if len(node.output) > len(made):
                raise ValueError("more outputs than the operator has")
            return [np.asarray(one) for one in made[: len(node.output)]]
        _check_supported(node, inputs)
        if node.op_type == "Resize" and opset < 11 and (steps := _up_and_down_scales(node, inputs)):
            larger = _evaluated(*_rewritten(node, [inputs[0], steps[0]], opset), ir_version)[0]
            inputs = [larger, steps[1]]
        if node.op_type in FLATTENING and opset < 13:
            matrix = _as_matrix(inputs[0], attributes(node).get("axis", 1))
            rows = onnx.NodeProto(op_type=node.op_type, input=["x"], output=["y"])
            return [_evaluated(rows, [matrix], 13, ir_version)[0].reshape(inputs[0].shape)]
        return _evaluated(*_rewritten(node, inputs, opset), ir_version)


def _branch(node: onnx.NodeProto, inputs: Inputs, run: Run) -> Sequence[Any]:
    return run(attributes(node)["then_branch" if np.ravel(inputs[0])[0] else "else_branch"], ())


def _loop(node: onnx.NodeProto, inputs: Inputs, run: Run) -> Sequence[Any]:
    """The final loop-carried values, then the stacked scan outputs."""
    most, condition = inputs[:2]
    carried = list(inputs[2:])
    body = attributes(node)["body"]
    scanned: list[Sequence[Any]] = []
    number, on = 0, condition is None or bool(np.ravel(condition)[0])
    while on and (most is None or number < int(np.ravel(most)[0])):
        again, *made = run(body, (np.int64(number), np.bool_(on), *carried))
        carried, on = made[: len(carried)], bool(np.ravel(again)[0])
        scanned.append(made[len(carried) :])
        number += 1
    if not scanned:  # their shapes are unknown
        return [*carried, *[None] * (len(node.output) - len(carried))]
    return [*carried, *(np.stack(each) for each in zip(*scanned, strict=True))]


def _run_body(
    body: onnx.GraphProto, inputs: Inputs, *, opset: int, ir_version: int, outside: Mapping[str, Any]
) -> Sequence[Any]:
    """The outputs of a body for the given inputs."""
    values = dict(outside)
    values |= {tensor.name: numpy_helper.to_array(tensor) for tensor in body.initializer}
    values |= {one.name: np.asarray(value) for one, value in zip(body.input, inputs, strict=True)}
    for node in body.node:
        read = [values[name] if name else None for name in node.input]
        check_numbers(read)
        made = evaluate(node, read, opset, ir_version, values)
        values.update(zip(node.output, made, strict=True))
    return [values[one.name] for one in body.output]


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
    """An equivalent node that onnx's evaluator implements; in most cases the node itself."""
    values = attributes(node)
    if node.op_type == "Scatter":
        return _changed(node, op_type="ScatterElements"), inputs, 18
    if node.op_type == "GridSample" and opset < 20:
        mode = values.get("mode", "bilinear")
        return _changed(node, mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)), inputs, 20
    if node.op_type == "RoiAlign" and opset < 16:
        return _changed(node, coordinate_transformation_mode="output_half_pixel"), inputs, 16
    if node.op_type == "ConvTranspose" and values.get("output_shape"):
        return _changed(node, output_shape=None, auto_pad=None, pads=_pads(inputs, values)), inputs, opset
    if node.op_type == "Upsample" or (node.op_type == "Resize" and opset < 11):
        scales = inputs[1] if len(inputs) > 1 else np.float32(values["scales"])
        nearest = "ceil" if node.op_type == "Resize" and bool(np.any(scales < 1)) else "floor"
        options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": nearest}
        mode = values.get("mode", "nearest")
        names = ["x", "", "scales"]
        resize = onnx.helper.make_node("Resize", names, [*node.output], mode=mode, **options)
        return resize, [inputs[0], None, scales], 13
    aligned = values.get("coordinate_transformation_mode") == "align_corners"
    if node.op_type == "Resize" and aligned and len(inputs) == 3 and inputs[2] is not None:
        # Corners refer to the actual output, whose size may differ from the scale times the input's.
        scaled = [inputs[0].shape[axis] for axis in values.get("axes", range(inputs[0].ndim))] * inputs[2]
        sizes = np.floor(scaled).astype(np.int64)
        return _changed(node, input=[*node.input[:2], "", "sizes"]), [*inputs[:2], None, sizes], opset
    return node, inputs, opset


def _changed(node: onnx.NodeProto, **changes: Any) -> onnx.NodeProto:
    """A copy of the node with another operator, inputs or attributes; None removes an attribute."""
    inputs, operator = changes.pop("input", [*node.input]), changes.pop("op_type", node.op_type)
    made = onnx.NodeProto(op_type=operator, input=inputs, output=node.output)
    made.attribute.extend(each for each in node.attribute if each.name not in changes)
    for name, value in changes.items():
        if value is not None:
            made.attribute.append(onnx.helper.make_attribute(name, value))
    return made


def _up_and_down_scales(node: onnx.NodeProto, inputs: Inputs) -> Sequence[Any]:
    """Separate scales for a Resize before opset 11 that does both: each rounds in its own way."""
    up, down = np.maximum(inputs[1], 1), np.minimum(inputs[1], 1)
    is_nearest = attributes(node).get("mode", "nearest") == "nearest"
    return (up, down) if is_nearest and bool(np.any(up > 1) and np.any(down < 1)) else ()


def _pads(inputs: Inputs, values: Mapping[str, Any]) -> list[int]:
    """Padding of a transposed convolution whose output_shape is given (ONNX, ConvTranspose)."""
    x, weight = inputs[:2]
    rank = x.ndim - 2
    strides, dilations, added = (
        values.get(name, [usual] * rank)
        for name, usual in (("strides", 1), ("dilations", 1), ("output_padding", 0))
    )
    total = [
        strides[axis] * (x.shape[2 + axis] - 1)
        + added[axis]
        + (weight.shape[2 + axis] - 1) * dilations[axis]
        + 1
        - size
        for axis, size in enumerate(values["output_shape"][-rank:])
    ]
    if min(total) < 0:
        raise ValueError("output_shape is too large")
    small, large = [each // 2 for each in total], [each - each // 2 for each in total]
    return [*small, *large] if values.get("auto_pad") == "SAME_UPPER" else [*large, *small]


def _check_supported(node: onnx.NodeProto, inputs: Inputs) -> None:
    """Raises ValueError for cases in which onnx's evaluator deviates from the ONNX specification."""
    if node.op_type == "MaxPool" and len(node.output) > 1:
        raise ValueError("indices of a MaxPool")
    if node.op_type in RECURRENT:
        defaults = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[
            node.op_type
        ]
        values = attributes(node)
        given = [name.decode("utf-8", "replace") for name in values.get("activations", [])]
        lengths = inputs[4] if len(inputs) > 4 else None
        if given not in ([], defaults, defaults * 2) or values.get("clip") or values.get("input_forget"):
            raise ValueError("a recurrent layer with other activations or clipping")
        if lengths is not None and bool(np.any(lengths != inputs[0].shape[values.get("layout", 0)])):
            raise ValueError("sequences of different lengths")


def cost_of_value(value: Any) -> int:
    """As `cost_of`, also for sequences of arrays."""
    if isinstance(value, list):
        return sum(map(cost_of_value, value))
    return 0 if value is None else cost_of(value)


def check_numbers(inputs: Inputs) -> None:
    """Raises Textual if an input contains strings."""
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
