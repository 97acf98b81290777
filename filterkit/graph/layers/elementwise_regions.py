"""Nodes that together compute a function of one tensor alone, element by element, and that function.

Exporters write what is one operation to a user as a handful of nodes: ``x * clip(x + 3, 0, 6) / 6``. The
nodes behind a tensor are evaluated on numbers, one after the other; wherever all that was computed so far
goes into one tensor, that tensor is a function of the first, and its values say which.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit import budget
from filterkit.graph.layers import elementwise
from filterkit.graph.layers.node_parameters import integer_list, known_sizes, numbers_from_shapes
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

MOST_NODES = 32
"""How many nodes a region may have, and how many readers a tensor in it: Mish, decomposed, has ten."""
MOST_VALUES = 2**21
"""Numbers that one tensor of a region may hold: channels with constants of their own times the numbers that
the function is tried on."""
DOMAINS = (*STANDARD, "com.microsoft")
SHAPE_READERS = frozenset({"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"})
"""Operators that look at a tensor's shape or type alone."""
SHAPE_DETOURS = frozenset({"Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "DequantizeLinear"})
"""Operators behind which a shape may be asked for, too."""
LONGEST_DETOUR = 4
"""How many of these are gone through for that."""

Values = NDArray[np.float64]
REDUCTIONS: dict[str, Callable[[Values, int], Values]] = {
    "GlobalAveragePool": lambda x, count: x.mean(axis=1, keepdims=True),
    "ReduceMean": lambda x, count: x.mean(axis=1, keepdims=True),
    "ReduceSum": lambda x, count: count * x.mean(axis=1, keepdims=True),
    "ReduceL1": lambda x, count: count * np.abs(x).mean(axis=1, keepdims=True),
    "ReduceSumSquare": lambda x, count: count * (x**2).mean(axis=1, keepdims=True),
    "ReduceL2": lambda x, count: np.sqrt(count * (x**2).mean(axis=1, keepdims=True)),
}
"""What operators make of samples that stand for `count` numbers."""
ASSUMED = (2, 3, 5, 7, 11, 13)
"""Sizes of axes of which the graph says none."""
FALLBACK = 4
"""The same of tensors of which not even the rank is known."""
ReadConstant = Callable[[onnx.NodeProto, str], NDArray[Any] | None]
"""From a node and one of its inputs to a constant, shape () or (rows,); None where it is no such constant."""


@dataclass(frozen=True, slots=True)
class Region:
    """What lies between a tensor and another one that is a function of it.

    Attributes
    ----------
    tensor
        The other one.
    values
        The function's values, shape (rows, samples): one row, or one per channel.
    op
        Operator that makes the tensor.
    axes, count
        Axes that the function takes means or sums over, and how many numbers these lie along; None and 1
        without any.
    statistics
        The means and sums that were taken on the way, and what was made of them.
    joined
        Of how many functions it consists, side by side along the channels, where these are more than one.
    """

    tensor: str
    values: Values
    op: str
    axes: tuple[int, ...] | None = None
    joined: int = 1
    count: int = 1
    statistics: Sequence[Values] = ()


def readers_of(graph: GraphView, tensor: str, *, depth: int = 0) -> list[onnx.NodeProto]:
    """The nodes that read the numbers in a tensor; not those that ask for its shape or type alone."""
    return [node for node in graph.consumers(tensor) if not _reads_shape_only(graph, node, tensor, depth)]


def _reads_shape_only(graph: GraphView, node: onnx.NodeProto, tensor: str, depth: int) -> bool:
    if node.op_type in SHAPE_READERS or (node.op_type == "CastLike" and node.input[0] != tensor):
        return True
    if node.op_type not in SHAPE_DETOURS or depth >= LONGEST_DETOUR or not node.output:
        return False
    made = node.output[0]
    following = graph.consumers(made)
    return (
        0 < len(following) <= MOST_NODES
        and not graph.gives_out(made)
        and all(_reads_shape_only(graph, each, made, depth + 1) for each in following)
    )


def regions(
    graph: GraphView,
    sources: Mapping[str, Values],
    layout: str,
    read: ReadConstant,
    *,
    statistics: bool = False,
) -> Iterator[Region]:
    """The tensors that are functions of `sources` alone and through which everything else is reached.

    Parameters
    ----------
    sources
        Tensors, and the numbers to try the function on: shape (1, samples), the same for all.
    layout
        Axes of the tensors.
    read
        Gives the constants that nodes combine with them (`filterkit.graph.layers.constant_operands`).
    statistics
        Whether means and sums over axes are gone through, too: the samples are what they are taken of.

    Yields
    ------
    Region
        In the order of the graph, from the smallest on; at most MOST_NODES.
    """
    values = dict(sources)
    pending = {name: len(readers_of(graph, name)) for name in sources}
    queue: list[int] = []
    queued: set[int] = set()
    ends: set[str] = set()
    axes: tuple[int, ...] | None = None
    joined = count = 1
    taken: list[Values] = []

    def with_counts(node: onnx.NodeProto, name: str) -> NDArray[Any] | None:
        found = read(node, name)
        if found is None and axes is not None:  # how many numbers there are, by Shape
            row = numbers_from_shapes(graph, name, lambda tensor: assumed_sizes(graph, tensor))
            found = row.reshape(()) if row is not None and row.size == 1 else None
        return found

    def enqueue(name: str) -> None:
        for node in readers_of(graph, name):
            made = next(filter(None, node.output), None)
            index = graph.index_of_producer(made) if made is not None else None
            if index is not None and index not in queued:
                queued.add(index)
                heapq.heappush(queue, index)

    if any(many > MOST_NODES for many in pending.values()):
        return
    for name in sources:
        enqueue(name)
    for _ in range(MOST_NODES):
        if not queue:
            return
        node = graph.nodes[heapq.heappop(queue)]
        budget.step("looking at what node '{0.name}' ({0.op_type}) computes", node)
        if not node.output or any(graph.consumers(name) for name in node.output[1:] if name):
            return
        if statistics and node.op_type in REDUCTIONS:
            found = _statistic(graph, node, values.get(node.input[0]), layout)
            if found is None or axes not in (None, found[0]):
                return
            axes, count, reduced = found
            made: Values | None = reduced
        elif axes is not None and node.op_type == "Expand":
            made = values.get(node.input[0])
            if made is None or made.shape[1] != 1:
                return
        elif node.op_type == "Concat":
            made = _concatenated(node, values, layout) if joined == 1 else None
            joined = len(node.input)
        else:
            made = _evaluated(node, values, with_counts)
        if made is None:
            return
        for name in set(node.input) & values.keys():
            pending[name] -= not _reads_shape_only(graph, node, name, 0)
        tensor = node.output[0]
        readers = len(readers_of(graph, tensor))
        if readers == 0 and not graph.gives_out(tensor):
            continue  # nobody needs it
        values[tensor] = made
        pending[tensor] = readers
        if axes is not None and made.shape[1] == 1:
            taken.append(made)
        is_all = not ends and not any(left for name, left in pending.items() if name != tensor)
        if is_all:
            yield Region(tensor, made, node.op_type, axes, joined, count, taken)
        if readers == 0:
            ends.add(tensor)  # given out as it is: nothing else is all that becomes of the sources
        if readers > MOST_NODES:
            return
        enqueue(tensor)


def _evaluated(node: onnx.NodeProto, values: Mapping[str, Values], read: ReadConstant) -> Values | None:
    op, names = elementwise.operands(node)
    if node.domain not in DOMAINS or op not in elementwise.OPERATIONS or not names or names[0] == "":
        return None
    inputs: list[Any] = []
    for name in names:
        constant = values.get(name) if name else None
        if name and constant is None:
            found = read(node, name)
            if found is None:
                return None
            constant = np.asarray(found, np.float64)
            constant = constant if constant.ndim == 0 else constant[:, None]
        inputs.append(constant)
    rows = max((np.shape(each)[0] for each in inputs if np.ndim(each) == 2), default=1)
    if rows * next(iter(values.values())).shape[1] > MOST_VALUES:
        return None
    made = elementwise.apply(op, attributes(node), inputs)
    return made if made is not None and np.ndim(made) == 2 else None


def _concatenated(node: onnx.NodeProto, values: Mapping[str, Values], layout: str) -> Values | None:
    """Several functions side by side, one row each: joined along the channels."""
    axis = attributes(node).get("axis")
    known = isinstance(axis, int) and -len(layout) <= axis < len(layout) and layout[axis] == "C"
    parts = [values.get(name) for name in node.input]
    rows = [part for part in parts if part is not None and part.shape[0] == 1]
    if not known or len(rows) != len(parts) or len({row.shape[1] for row in rows}) > 1:
        return None  # a statistic that is stretched again is still one number here
    return np.concatenate(rows)


def _statistic(
    graph: GraphView, node: onnx.NodeProto, taken: Values | None, layout: str
) -> tuple[tuple[int, ...], int, Values] | None:
    """The axes that a node reduces to a length of 1, how many numbers that are, and what it makes of them.

    As many are assumed where the graph does not say, see `assumed_sizes`: exporters count them with Shape.
    """
    rank = len(layout)
    axes = range(2, rank) if node.op_type.startswith("Global") else integer_list(graph, node, "axes")
    if taken is None or not axes or not attributes(node).get("keepdims", 1):
        return None
    if not all(-rank <= axis < rank for axis in axes):
        return None
    places = tuple(sorted({axis % rank for axis in axes}))
    sizes = assumed_sizes(graph, node.input[0]) or [FALLBACK] * rank
    count = math.prod(int(sizes[place]) for place in places if place < len(sizes))
    with np.errstate(all="ignore"):
        made = REDUCTIONS[node.op_type](taken, count)
    return places, count, np.asarray(made)


def assumed_sizes(graph: GraphView, tensor: str) -> list[float] | None:
    """A tensor's shape, with a number of its own for each axis of unknown size."""
    sizes = known_sizes(graph, tensor)
    if sizes is None:
        return None
    return [ASSUMED[axis % len(ASSUMED)] if math.isnan(size) else size for axis, size in enumerate(sizes)]
