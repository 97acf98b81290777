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


Attributes = Mapping[str, Any]


def mean(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Mean with broadcasting."""
    total = inputs[0]
    for value in inputs[1:]:
        total = total + value
    return (total / len(inputs)).astype(inputs[0].dtype)


def lp_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """LpNormalization; the evaluator's 1-norm does not take absolute values."""
    x, axis, order = inputs[0], values.get("axis", -1), values.get("p", 2)
    norm = np.linalg.norm(x, 1, axis, keepdims=True) if order == 1 else _euclidean(x, axis)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


def _euclidean(x: Any, axis: int) -> Any:
    return np.sqrt(np.sum(x * x, axis, keepdims=True))


def global_lp_pool(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GlobalLpPool over all spatial axes."""
    x, order = inputs[0], values.get("p", 2)
    space = tuple(range(2, x.ndim))
    return (np.sum(np.abs(x) ** order, space, keepdims=True) ** (1 / order)).astype(x.dtype)


def lrn(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """LRN; a window of even size reaches one channel further after the current one than before it."""
    x, size = inputs[0], values["size"]
    squares = np.zeros_like(x)
    for channel in range(x.shape[1]):
        first, last = channel - (size - 1) // 2, channel + size // 2
        squares[:, channel] = np.sum(x[:, max(first, 0) : last + 1] ** 2, 1)
    factor = values.get("alpha", 1e-4) / size
    base = values.get("bias", 1.0) + factor * squares
    return (x / base ** values.get("beta", 0.75)).astype(x.dtype)


def gather_elements(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GatherElements with indices that are smaller than the data along other axes than `axis`."""
    data, indices = inputs[:2]
    axis = values.get("axis", 0) % data.ndim
    if indices.ndim != data.ndim:
        raise ValueError("indices with a different number of axes")
    cut = tuple(slice(None if at == axis else size) for at, size in enumerate(indices.shape))
    return np.take_along_axis(data[cut], indices, axis)


def batch_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """BatchNormalization before opset 14, where more than one output means training."""
    x, *parameters = inputs[:5]
    if not values.get("spatial", 1):
        raise ValueError("spatial=0, which opset 9 removed")
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale, shift, average, variance = (value.reshape(shape) for value in parameters)
    epsilon = np.asarray(values.get("epsilon", 1e-5), x.dtype)
    return ((x - average) / np.sqrt(variance + epsilon) * scale + shift).astype(x.dtype)


def group_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GroupNormalization, with scale and shift per group before opset 21, and per channel from then on."""
    x, scale, shift = inputs[:3]
    groups, channels = values["num_groups"], x.shape[1]
    rows = x.reshape(x.shape[0], groups, -1).astype(np.float32)
    rows = rows - rows.mean(-1, keepdims=True)
    rows = rows / np.sqrt((rows * rows).mean(-1, keepdims=True) + np.float32(values.get("epsilon", 1e-5)))
    if opset < 21:
        scale, shift = (np.repeat(value, channels // groups) for value in (scale, shift))
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return (rows.reshape(x.shape).astype(x.dtype) * scale.reshape(shape) + shift.reshape(shape)).astype(
        x.dtype
    )


def pad(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Pad, also with negative pads, which crop."""
    x, pads, filling, axes = (*inputs, None, None, None)[:4]
    pads = (values["pads"] if pads is None else pads.tolist())[:]
    chosen = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes.tolist()]
    if len(pads) != 2 * len(chosen):
        raise ValueError("pads for a different number of axes")
    cut, width = [slice(None)] * x.ndim, [(0, 0)] * x.ndim
    for axis, begin, end in zip(chosen, pads[: len(chosen)], pads[len(chosen) :], strict=True):
        cut[axis] = slice(max(-begin, 0), max(x.shape[axis] + min(end, 0), 0))
        width[axis] = (max(begin, 0), max(end, 0))
    mode = values.get("mode", "constant")
    if mode != "constant":
        return np.pad(x[tuple(cut)], width, mode)
    filling = values.get("value", 0) if filling is None else filling.reshape(())
    return np.pad(x[tuple(cut)], width, constant_values=filling).astype(x.dtype)


def unique(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Unique, in order of first occurrence if `sorted` is 0."""
    axis = values.get("axis")
    made, first, back, counts = np.unique(inputs[0], True, True, True, axis=axis)
    if not values.get("sorted", 1):
        order = np.argsort(first)
        made = made[order] if axis is None else np.take(made, order, axis)
        first, back, counts = first[order], np.argsort(order)[back.reshape(-1)], counts[order]
    return made, first, back.reshape(-1), counts


FIXED: Mapping[str, Callable[[Inputs, Attributes, int], Any]] = {
    "Mean": mean,
    "LpNormalization": lp_normalization,
    "GlobalLpPool": global_lp_pool,
    "LRN": lrn,
    "GatherElements": gather_elements,
    "GroupNormalization": group_normalization,
    "Pad": pad,
    "Unique": unique,
}
"""By operator, for every opset."""

FIXED_BEFORE: Mapping[str, tuple[int, Callable[[Inputs, Attributes, int], Any]]] = {
    "BatchNormalization": (14, batch_normalization)
}
"""By operator, for opsets before the given one."""


def fixed_operator(operator: str, opset: int) -> Callable[[Inputs, Attributes, int], Any] | None:
    """The function that replaces onnx's evaluator for an operator, if there is one."""
    before, function = FIXED_BEFORE.get(operator, (0, None))
    return function if opset < before else FIXED.get(operator)
