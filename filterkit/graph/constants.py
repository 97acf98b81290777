"""What a graph computes without looking at its input: weights behind any chain of constant nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.names import shown
from filterkit.graph.tensors import to_array
from filterkit.graph.walk import attributes

if TYPE_CHECKING:
    from filterkit.graph.view import GraphView

Array = NDArray[Any]

MOST_WORK = 2**28
"""How many elements the steps to one constant may make, all together; a hostile graph asks for any number."""
MOST_GROWTH = 2**25
"""How many of these may be new, that is, more than went into the step that made them."""
EVALUATED_AS = {"DequantizeLinear": 19}
"""Opset to evaluate an operator in at least: onnx's evaluator does not have it in earlier ones."""


class NotConstant(Exception):
    """A tensor that cannot be known without running the model; `reason` says why, in the user's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Inputs = Sequence[Any]
"""Arrays, and None for inputs that are left out."""


def _all_inputs(inputs: Inputs, values: dict[str, Any]) -> int:
    return sum(value.size for value in inputs if value is not None)


def _broadcast(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size(value.shape for value in inputs if value is not None)


def _filled(inputs: Inputs, values: dict[str, Any]) -> int:
    return math.prod(inputs[0].ravel().tolist())


def _expanded(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size((inputs[0].shape, inputs[1].ravel().tolist()))


def _tiled(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size * math.prod(inputs[1].ravel().tolist()))


def _gathered(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size // max(inputs[0].shape[values.get("axis", 0)], 1) * inputs[1].size)


def _broadcast_size(shapes: Iterable[Sequence[int]]) -> int:
    """Elements of what arrays of these shapes broadcast to, if they do."""
    return math.prod(map(max, zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1)))


FOLDABLE: dict[str, Callable[[Inputs, dict[str, Any]], int]] = {
    **dict.fromkeys(
        [
            *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat"),
            *("Split", "Shape", "Size", "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "Neg"),
            *("Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Clip", "Not"),
            *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"),
        ],
        _all_inputs,
    ),
    **dict.fromkeys(
        ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Where", "Equal"], _broadcast
    ),
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Tile": _tiled,
    "Gather": _gathered,
}
"""Operators that are folded, and a bound on the number of elements that they make."""


def is_foldable(node: onnx.NodeProto) -> bool:
    """Whether the node's outputs are constant once all its inputs are."""
    return node.domain in ("", "ai.onnx") and (node.op_type == "Constant" or node.op_type in FOLDABLE)


def fold(graph: GraphView, tensor: str) -> Array:
    """The value of a constant tensor; see `GraphView.constant`."""
    steps = _steps(graph, tensor)
    left = _uses(steps)
    known: dict[str, Array] = {}
    work, growth = MOST_WORK, MOST_GROWTH
    for node in steps:
        inputs = [_leaf(graph, known, name) if name else None for name in node.input]
        size = _size_of(node, inputs)
        work -= size
        growth -= max(size - max((value.size for value in inputs if value is not None), default=0), 0)
        if work < 0 or growth < 0:
            raise NotConstant(f"computed by node {label(node)} from constants, but too large to compute")
        known.update(zip(node.output, _evaluate(graph, node, inputs), strict=False))
        for name in filter(None, node.input):
            left[name] -= 1
            if not left[name]:
                known.pop(name, None)
    return _leaf(graph, known, tensor)


def why_not_constant(graph: GraphView, tensor: str) -> str:
    """Why a tensor is not constant, for a user."""
    if any(tensor == value.name for value in graph.inputs):
        return f"an input of the model ('{shown(tensor)}')"
    node = graph.producer(tensor)
    if node is None:
        return f"a tensor that nothing makes ('{shown(tensor)}')"
    if all(graph.is_constant(name) for name in node.input if name):
        return f"computed at run time by node {label(node)}"
    return f"computed from the model's input at run time by node {label(node)}"


def label(node: onnx.NodeProto) -> str:
    """A node for a message: its name, or its first output's, and its operator."""
    name = node.name or next(filter(None, node.output), "")
    return f"'{shown(name)}' ({shown(node.op_type)})"


def _steps(graph: GraphView, tensor: str) -> list[onnx.NodeProto]:
    """The nodes to evaluate for `tensor`, in order."""
    wanted, pending = set(), [tensor]
    while pending:
        index = graph.index_of_producer(pending.pop())
        if index is not None and index not in wanted:
            wanted.add(index)
            pending.extend(filter(None, graph.nodes[index].input))
    return [graph.nodes[index] for index in sorted(wanted)]


def _uses(steps: Sequence[onnx.NodeProto]) -> dict[str, int]:
    uses: dict[str, int] = {}
    for node in steps:
        for name in filter(None, node.input):
            uses[name] = uses.get(name, 0) + 1
    return uses


def _leaf(graph: GraphView, known: dict[str, Array], name: str) -> Array:
    if name in known:
        return known[name]
    stored = graph.stored(name)
    if isinstance(stored, onnx.SparseTensorProto):
        return _dense(stored, graph)
    return to_array(stored, graph.folder)


def _size_of(node: onnx.NodeProto, inputs: Inputs) -> int:
    """A bound on the number of elements that a node makes."""
    try:
        size = 0 if node.op_type == "Constant" else FOLDABLE[node.op_type](inputs, attributes(node))
    except (ValueError, IndexError, AttributeError, TypeError):
        size = -1
    if size < 0:
        raise NotConstant(f"computed from constants by node {label(node)}, which is malformed")
    return size


def _evaluate(graph: GraphView, node: onnx.NodeProto, inputs: Inputs) -> Sequence[Array]:
    if node.op_type == "Constant":
        return (_constant_node(graph, node),)
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    lone = onnx.GraphProto(name="constant", node=[node])
    lone.input.extend(onnx.ValueInfoProto(name=name) for name in feeds)
    lone.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    model = onnx.ModelProto(ir_version=graph.model.ir_version, graph=lone)
    opset = max(graph.opset, EVALUATED_AS.get(node.op_type, 1))
    model.opset_import.append(onnx.helper.make_opsetid("", opset))
    try:
        with np.errstate(all="ignore"):
            made = dict(
                zip([o for o in node.output if o], ReferenceEvaluator(model).run(None, feeds), strict=True)
            )
    except Exception as error:  # the evaluator raises whatever a malformed node leads it to
        raise NotConstant(f"computed from constants by node {label(node)}, which fails") from error
    return [np.asarray(made[name]) if name else np.empty(0) for name in node.output]


def _constant_node(graph: GraphView, node: onnx.NodeProto) -> Array:
    """The value of a Constant node, in any of its attribute forms."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return to_array(attribute.t, graph.folder)
        if attribute.name == "sparse_value":
            return _dense(attribute.sparse_tensor, graph)
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), np.int64)
        if attribute.name in ("value_string", "value_strings"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), np.object_)
    raise NotConstant(f"node {label(node)} has no value")


def _dense(sparse: onnx.SparseTensorProto, graph: GraphView) -> Array:
    shape = tuple(sparse.dims)
    if min(shape, default=0) < 0 or math.prod(shape) > MOST_GROWTH:
        raise NotConstant("a sparse tensor too large to compute")
    values, indices = to_array(sparse.values, graph.folder), to_array(sparse.indices, graph.folder)
    dense = np.zeros(math.prod(shape), values.dtype)
    try:
        flat = np.ravel_multi_index(tuple(indices.T), shape) if indices.ndim == 2 else indices
        dense[flat] = values
    except (ValueError, IndexError, TypeError) as error:
        raise NotConstant("a malformed sparse tensor") from error
    return dense.reshape(shape)
