"""Constant folding: compute weights that a graph derives from constants by any chain of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit import budget
from filterkit.geometry import product
from filterkit.graph.loading.tensors import BITS, to_array
from filterkit.graph.view import reference
from filterkit.graph.view.evaluation import Random, evaluate
from filterkit.graph.view.foldable import (
    LEAST_WIDTH,
    Inputs,
    Textual,
    bytes_made,
    cost_of,
    is_computed_in_place,
    label,
)
from filterkit.graph.view.walk import bodies, every_tensor, reads, rename_captured

if TYPE_CHECKING:
    from filterkit.graph.view.view import GraphView

Array = NDArray[Any]

MOST_WORK = 2**30
"""Bytes that all steps to one constant may produce; a hostile graph could require any number. They are
counted by `cost_of`: each element counts as at least a float32."""
MOST_GROWTH = 2**27
"""How many of these may be growth, that is, in excess of the largest input of the step."""
MOST_ALTOGETHER = 2**29
"""Bytes that the constants of one model may take together, not counting what it stores."""
MOST_SECONDS = 60.0
"""CPU time for computing constants of one model in the worker process."""
A_STEP = 2**13
"""Minimum number of bytes that a step counts as, since even a small step takes time."""
USES = 8
"""How often stored data may be processed, on average: once per step of a chain, and once per layer that
shares it."""


class NotConstant(Exception):
    """The value of a tensor is unknown before the model runs; `reason` says why, for a message."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Budget:
    """What is left for computing the constants of a model; many small ones add up as well.

    Attributes
    ----------
    work
        Bytes that may still be produced, as intermediate or final results.
    growth
        How many of these may be in excess of the largest input of their step.
    seconds
        CPU time in the worker process.
    """

    work: int
    growth: int
    seconds: float = MOST_SECONDS

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Budget:
        stored = sum(_stored_cost(tensor) for tensor in every_tensor(model))
        return cls(MOST_ALTOGETHER + USES * stored, MOST_ALTOGETHER // 2)

    def take(self, work: int, growth: int = 0) -> None:
        """Raises NotConstant, and takes nothing, if that much is not left."""
        if work > self.work or growth > self.growth:
            raise NotConstant("one of more constants than one model may have")
        self.work -= work
        self.growth -= growth


MOST_TEXTS = 256
"""Elements. No weight is a string, and an empty string takes much more memory in Python than in a file."""
TEXTS = "a tensor of strings"

Key = tuple[int, str]
"""A tensor: the depth of the graph that defines it, and its name."""

Step: TypeAlias = "tuple[GraphView, onnx.NodeProto]"
"""A node to evaluate, and the graph it is in."""


def fold(graph: GraphView, tensor: str) -> Array:
    """The value of a constant tensor; see `GraphView.constant`."""
    known: dict[Key, Array] = {}
    steps = _steps(graph, tensor, known)
    before, in_worker, after = split_steps(steps)
    folding = _Folding(graph, known, _uses(steps))
    for step in before:
        folding.compute(*step)
    if in_worker:
        wanted = (_key(graph, tensor), *(_key(view, name) for view, node in after for name in reads(node)))
        folding.compute_in_worker(in_worker, wanted)
    for step in after:
        folding.compute(*step)
    return _leaf(graph, known, tensor)


@dataclass
class _Folding:
    """Intermediate results on the way to one constant, how often each is still read, and what is left."""

    graph: GraphView
    known: dict[Key, Array]
    uses: dict[Key, int]
    work: int = MOST_WORK
    growth: int = MOST_GROWTH

    def compute(self, view: GraphView, node: onnx.NodeProto) -> None:
        """Compute a node in place."""
        budget.step("computing the constant node '{0.name}' ({0.op_type})", node)
        inputs = [_leaf(view, self.known, name) if name else None for name in node.input]
        size = _cost_of_step(node, inputs)
        new = max(size - max((cost_of(value) for value in inputs if value is not None), default=0), 0)
        self._take(node, max(size, A_STEP), new)
        made = zip(node.output, _evaluate(view, node, inputs), strict=False)
        self.known.update({(view.depth, name): value for name, value in made})
        self._release(view, node)

    def compute_in_worker(self, steps: Sequence[Step], wanted: Sequence[Key]) -> None:
        """Compute nodes in the worker process, in a single request."""
        budget.step("computing the constant nodes from '{0.name}' ({0.op_type}) on", steps[0][1])
        made = {(view.depth, name) for view, node in steps for name in node.output if name}
        read = {_key(view, name): view for view, node in steps for name in reads(node)}
        taken = [(key, view) for key, view in read.items() if key not in made]
        known = {_label(key): _leaf(view, self.known, key[1]) for key, view in taken}
        results = {_label(key): key for key in wanted if key in made}
        left = self.graph.budget
        try:
            computed = reference.compute(
                [_relabelled(view, node) for view, node in steps],
                known,
                list(results),
                opset=self.graph.opset,
                ir_version=self.graph.model.ir_version,
                work=min(self.work, left.work),
                growth=min(self.growth, left.growth),
                seconds=left.seconds,
            )
        except reference.NotComputed as error:
            left.seconds -= error.seconds
            at = label(steps[error.place or 0][1])
            at = f"node {at}, which" if error.place is not None else f"the nodes from {at} on, which"
            raise NotConstant(f"computed from constants by {at} {error.reason}") from error
        left.seconds -= computed.seconds
        self._take(steps[-1][1], computed.work + A_STEP * len(steps), computed.growth)
        self.known.update({results[name]: value for name, value in computed.values.items()})
        for step in steps:
            self._release(*step)

    def _take(self, node: onnx.NodeProto, size: int, new: int) -> None:
        self.work -= size
        self.growth -= new
        if self.work < 0 or self.growth < 0:
            raise NotConstant(f"computed from constants by node {label(node)}, which is too large to compute")
        self.graph.budget.take(size, new)

    def _release(self, view: GraphView, node: onnx.NodeProto) -> None:
        for name in reads(node):
            key = _key(view, name)
            self.uses[key] -= 1
            if not self.uses[key]:
                self.known.pop(key, None)


def split_steps(steps: Sequence[Step]) -> tuple[list[Step], list[Step], list[Step]]:
    """Split steps into those computed in place first, in the worker process, and in place afterwards.

    Nodes between two that need the worker process are computed there as well, so that there is one request.
    """
    after = _reached(steps, forwards=True)
    before = _reached(steps, forwards=False)
    in_worker = after & before
    first = [step for place, step in enumerate(steps) if place not in after]
    last = [step for place, step in enumerate(steps) if place in after - in_worker]
    return first, [steps[place] for place in sorted(in_worker)], last


def _reached(steps: Sequence[Step], *, forwards: bool) -> set[int]:
    """Indices of the nodes that need the worker process, and of all nodes after (or before) one of them."""
    touched: set[Key] = set()
    reached = set()
    for place in range(len(steps)) if forwards else reversed(range(len(steps))):
        view, node = steps[place]
        taken = {_key(view, name) for name in reads(node)}
        makes = {(view.depth, name) for name in node.output if name}
        near, far = (taken, makes) if forwards else (makes, taken)
        if not is_computed_in_place(node) or touched & near:
            reached.add(place)
            touched |= far
    return reached


def _label(key: Key) -> str:
    return f"{key[0]}:{key[1]}"


def _relabelled(view: GraphView, node: onnx.NodeProto) -> onnx.NodeProto:
    """A copy of a node, with tensor names that are unique across all graphs around it."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [_label(_key(view, name)) if name else "" for name in node.input]
    copy.output[:] = [_label((view.depth, name)) if name else "" for name in node.output]
    names = {name: _label(_key(view, name)) for name in reads(node)}
    for body in bodies(copy):
        rename_captured(body, names)
    return copy


def _steps(graph: GraphView, tensor: str, known: dict[Key, Array]) -> list[Step]:
    """The nodes to evaluate for `tensor`, in order, each with the graph it is in.

    Values that are still cached are added to `known`, and their producers are left out.
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
            pending.extend((home, name) for name in reads(home.nodes[index]))
    # Nested graphs read from outer graphs, never the other way round.
    return [(wanted[place], wanted[place].nodes[place[1]]) for place in sorted(wanted)]


def _key(view: GraphView, name: str) -> Key:
    home = view.home(name)
    return (home.depth if home is not None else 0, name)


def _uses(steps: Sequence[Step]) -> dict[Key, int]:
    uses: dict[Key, int] = {}
    for view, node in steps:
        for name in reads(node):
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
    """An upper bound on the bytes that a node produces."""
    if node.op_type == "Constant":
        return 0
    try:
        return bytes_made(node, inputs)
    except Textual:
        raise NotConstant(f"computed from constants by node {label(node)}, which handles strings") from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise NotConstant(f"computed from constants by node {label(node)}, which is malformed") from error


def _stored_cost(tensor: onnx.TensorProto) -> int:
    """As `cost_of`, for a stored tensor; strings, which are never part of a weight, cost nothing."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return 0
    return product(tensor.dims) * max(LEAST_WIDTH, BITS.get(tensor.data_type, 0) // 8)


def _evaluate(graph: GraphView, node: onnx.NodeProto, inputs: Inputs) -> Sequence[Array]:
    if node.op_type == "Constant":
        return (_constant_node(graph, node),)
    try:
        return evaluate(node, inputs, graph.opset, graph.model.ir_version)
    except Random:
        raise NotConstant(f"computed at run time by node {label(node)}, which is random") from None
    except Exception as error:  # a malformed node can make the evaluator raise anything
        raise NotConstant(f"computed from constants by node {label(node)}, which fails") from error


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
    """ONNX element type of a Constant or ConstantOfShape; float32 if no attribute is a tensor."""
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
            raise ValueError("indices with a different number of axes")
        flat = np.ravel_multi_index(tuple(indices.T), shape) if indices.ndim == 2 else indices
        dense[flat] = values
    except (ValueError, IndexError, TypeError) as error:
        raise NotConstant("a malformed sparse tensor") from error
    return dense.reshape(shape)
