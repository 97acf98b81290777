"""What a graph computes without looking at its input: weights behind any chain of constant nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit import budget
from filterkit.geometry import product
from filterkit.graph.foldable import LEAST_WIDTH, QUANTIZATION, Inputs, Textual, bytes_made, cost_of
from filterkit.graph.names import shown
from filterkit.graph.tensors import BITS, to_array
from filterkit.graph.walk import every_tensor

if TYPE_CHECKING:
    from filterkit.graph.view import GraphView

Array = NDArray[Any]

MOST_WORK = 2**30
"""Bytes that the steps to one constant may make, all together; a hostile graph asks for any number. They are
counted by `cost_of`: no element counts as less than a float32."""
MOST_GROWTH = 2**27
"""How many of these may be new, that is, more than went into the step that made them."""
MOST_ALTOGETHER = 2**29
"""Bytes that the constants of one model may take altogether, what it stores aside."""
A_STEP = 2**13
"""Bytes that a step counts as at least, since it takes its time whatever it makes."""
USES = 8
"""How often what a model stores may be gone through, on average: once for every step of a chain, once more
for every layer that shares it."""

EVALUATED_AS = dict.fromkeys(QUANTIZATION, 21)
"""Opset to evaluate an operator in at least: onnx's evaluator does not have all of it in earlier ones."""


class NotConstant(Exception):
    """A tensor that cannot be known without running the model; `reason` says why, in the user's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Budget:
    """What is left for computing a model's constants, in bytes; many small ones sum up too.

    Attributes
    ----------
    work
        For all that is made on the way or given out.
    growth
        For what is new, that is, more than went into the step that made it.
    """

    work: int
    growth: int

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Budget:
        stored = sum(_stored_cost(tensor) for tensor in every_tensor(model))
        return cls(MOST_ALTOGETHER + USES * stored, MOST_ALTOGETHER // 2)

    def take(self, work: int, growth: int = 0) -> None:
        """Raises NotConstant where that much is not left; nothing is taken then."""
        if work > self.work or growth > self.growth:
            raise NotConstant("one of more constants than there is room for in one model")
        self.work -= work
        self.growth -= growth


MOST_TEXTS = 256
"""Elements. No weight is a text, and in Python an empty one takes many times what it takes in a file."""
TEXTS = "a tensor of texts"

Key = tuple[int, str]
"""A tensor: how deep the graph lies that holds it, and its name."""


def fold(graph: GraphView, tensor: str) -> Array:
    """The value of a constant tensor; see `GraphView.constant`."""
    known: dict[Key, Array] = {}
    steps = _steps(graph, tensor, known)
    left = _uses(steps)
    work, growth = MOST_WORK, MOST_GROWTH
    for view, node in steps:
        budget.step("computing the constant node '{0.name}' ({0.op_type})", node)
        inputs = [_leaf(view, known, name) if name else None for name in node.input]
        size = _cost_of_step(node, inputs)
        new = max(size - max((cost_of(value) for value in inputs if value is not None), default=0), 0)
        size = max(size, A_STEP)
        work -= size
        growth -= new
        if work < 0 or growth < 0:
            raise NotConstant(f"computed by node {label(node)} from constants, but too large to compute")
        graph.budget.take(size, new)
        made = zip(node.output, _evaluate(view, node, inputs), strict=False)
        known.update({(view.depth, name): value for name, value in made})
        for name in filter(None, node.input):
            key = _key(view, name)
            left[key] -= 1
            if not left[key]:
                known.pop(key, None)
    return _leaf(graph, known, tensor)


def why_not_constant(graph: GraphView, tensor: str) -> str:
    """Why a tensor is not constant, for a user."""
    home = graph.home(tensor)
    if home is None:
        return f"a tensor that nothing makes ('{shown(tensor)}')"
    node = home.producer(tensor)
    if node is None and home.body is not None:
        return f"handed to the body of node {label(home.body.node)} at run time ('{shown(tensor)}')"
    if node is None:
        return f"an input of the model ('{shown(tensor)}')"
    if all(home.is_constant(name) for name in node.input if name):
        return f"computed at run time by node {label(node)}"
    return f"computed from the model's input at run time by node {label(node)}"


def label(node: onnx.NodeProto) -> str:
    """A node for a message: its name, or its first output's, and its operator."""
    name = node.name or next(filter(None, node.output), "")
    return f"'{shown(name)}' ({shown(node.op_type)})"


def _steps(graph: GraphView, tensor: str, known: dict[Key, Array]) -> list[tuple[GraphView, onnx.NodeProto]]:
    """The nodes to evaluate for `tensor`, in order, each with the graph that holds it.

    What somebody still holds of the values on the way is put into `known`, and not gone behind.
    """
    wanted: dict[tuple[int, int], GraphView] = {}
    pending = [(graph, tensor)]
    while pending:
        view, name = pending.pop()
        home = view.home(name)
        index = home.index_of_producer(name) if home is not None else None
        if home is None or index is None or (home.depth, index) in wanted:
            continue
        value = home.held(name)
        if value is not None:
            known[home.depth, name] = value
        else:
            wanted[home.depth, index] = home
            pending.extend((home, name) for name in home.nodes[index].input if name)
    # What lies deeper reads from further out, never the other way round.
    return [(wanted[place], wanted[place].nodes[place[1]]) for place in sorted(wanted)]


def _key(view: GraphView, name: str) -> Key:
    home = view.home(name)
    return (home.depth if home is not None else 0, name)


def _uses(steps: Sequence[tuple[GraphView, onnx.NodeProto]]) -> dict[Key, int]:
    uses: dict[Key, int] = {}
    for view, node in steps:
        for name in filter(None, node.input):
            key = _key(view, name)
            uses[key] = uses.get(key, 0) + 1
    return uses


def _leaf(view: GraphView, known: dict[Key, Array], name: str) -> Array:
    key = _key(view, name)
    if key in known:
        return known[key]
    stored = view.stored(name)
    if isinstance(stored, onnx.SparseTensorProto):
        return _dense(stored, view)
    return _numbers(stored, view)


def _cost_of_step(node: onnx.NodeProto, inputs: Inputs) -> int:
    """A bound on the bytes that a node makes."""
    if node.op_type == "Constant":
        return 0
    try:
        return bytes_made(node, inputs)
    except Textual:
        raise NotConstant(f"computed from constants by node {label(node)}, which handles texts") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise NotConstant(f"computed from constants by node {label(node)}, which is malformed") from error


def _stored_cost(tensor: onnx.TensorProto) -> int:
    """As `cost_of`, of the array in a tensor; texts, which make no weight, are none."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return 0
    return product(tensor.dims) * max(LEAST_WIDTH, BITS.get(tensor.data_type, 0) // 8)


def _evaluate(graph: GraphView, node: onnx.NodeProto, inputs: Inputs) -> Sequence[Array]:
    if node.op_type == "Constant":
        return (_constant_node(graph, node),)
    from onnx.reference import ReferenceEvaluator

    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    standard = onnx.NodeProto()
    standard.CopyFrom(node)
    standard.domain = ""
    lone = onnx.GraphProto(name="constant", node=[standard])
    lone.input.extend(onnx.ValueInfoProto(name=name) for name in feeds)
    lone.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    model = onnx.ModelProto(ir_version=graph.model.ir_version, graph=lone)
    opset = max(min(graph.opset, onnx.defs.onnx_opset_version()), EVALUATED_AS.get(node.op_type, 1))
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
            return _numbers(attribute.t, graph)
        if attribute.name == "sparse_value":
            return _dense(attribute.sparse_tensor, graph)
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), np.int64)
        if attribute.name in ("value_string", "value_strings"):
            texts = onnx.helper.get_attribute_value(attribute)
            if isinstance(texts, list) and len(texts) > MOST_TEXTS:
                raise NotConstant(TEXTS)
            return np.asarray(texts, np.object_)
    raise NotConstant(f"node {label(node)} has no value")


def _numbers(tensor: onnx.TensorProto, graph: GraphView) -> Array:
    if tensor.data_type == onnx.TensorProto.STRING and len(tensor.string_data) > MOST_TEXTS:
        raise NotConstant(TEXTS)
    return to_array(tensor, graph.path)


def constant_type(node: onnx.NodeProto) -> int:
    """ONNX element type of a Constant or ConstantOfShape; forms without a tensor hold float32."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return int(attribute.t.data_type)
        if attribute.name == "sparse_value":
            return int(attribute.sparse_tensor.values.data_type)
    return int(onnx.TensorProto.FLOAT)


def _dense(sparse: onnx.SparseTensorProto, graph: GraphView) -> Array:
    shape = tuple(sparse.dims)
    values, indices = _numbers(sparse.values, graph), _numbers(sparse.indices, graph)
    try:
        elements = product(shape)
    except ValueError as error:
        raise NotConstant("a malformed sparse tensor") from error
    if elements * max(LEAST_WIDTH, values.dtype.itemsize) > MOST_GROWTH:
        raise NotConstant("a sparse tensor too large to compute")
    dense = np.zeros(elements, values.dtype)
    try:
        if indices.ndim == 2 and indices.shape[1] != len(shape):
            raise ValueError("indices of another number of axes")
        flat = np.ravel_multi_index(tuple(indices.T), shape) if indices.ndim == 2 else indices
        dense[flat] = values
    except (ValueError, IndexError, TypeError) as error:
        raise NotConstant("a malformed sparse tensor") from error
    return dense.reshape(shape)
