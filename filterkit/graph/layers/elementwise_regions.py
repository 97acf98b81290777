"""Find groups of nodes that compute an elementwise function of one tensor, and evaluate them on samples.

Exporters write one operation as several nodes, e.g. ``x * clip(x + 3, 0, 6) / 6``. The nodes after a tensor
are evaluated on sample values in graph order. Where everything computed so far leads to a single tensor, that
tensor is a function of the first one, which its values identify.
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
from filterkit.graph.layers.constant_operands import integer_list, known_sizes, numbers_from_shapes
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

MOST_NODES = 32
"""Maximum number of nodes in a region, and of readers of a tensor in it: a decomposed Mish has ten nodes."""
MOST_VALUES = 2**21
"""Maximum number of values of a tensor in a region: channels with their own constants times samples."""
DOMAINS = (*STANDARD, "com.microsoft")
SHAPE_READERS = frozenset({"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"})
"""Operators that read only the shape or the type of a tensor."""
SHAPE_DETOURS = frozenset({"Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "DequantizeLinear"})
"""Operators that may come between a tensor and a reader of its shape."""
LONGEST_DETOUR = 4
"""Maximum number of these in a row."""

Values = NDArray[np.float64]
REDUCTIONS: dict[str, Callable[[Values, int], Values]] = {
    "GlobalAveragePool": lambda x, count: x.mean(axis=1, keepdims=True),
    "ReduceMean": lambda x, count: x.mean(axis=1, keepdims=True),
    "ReduceSum": lambda x, count: count * x.mean(axis=1, keepdims=True),
    "ReduceL1": lambda x, count: count * np.abs(x).mean(axis=1, keepdims=True),
    "ReduceSumSquare": lambda x, count: count * (x**2).mean(axis=1, keepdims=True),
    "ReduceL2": lambda x, count: np.sqrt(count * (x**2).mean(axis=1, keepdims=True)),
}
"""Outputs of reductions, for samples that represent `count` numbers."""
ASSUMED = (2, 3, 5, 7, 11, 13)
"""Sizes for axes of unknown size."""
FALLBACK = 4
"""Size for all axes of a tensor of unknown rank."""
ReadConstant = Callable[[onnx.NodeProto, str], NDArray[Any] | None]
"""Maps a node and one of its inputs to a constant of shape () or (rows,); None where it is none."""


@dataclass(frozen=True, slots=True)
class Region:
    """The nodes between a tensor and another one that is a function of it.

    Attributes
    ----------
    tensor
        The output.
    values
        The function's values, shape (rows, samples): one row, or one per channel.
    op
        Operator that computes the output.
    axes, count
        Axes over which the function takes means or sums, and the number of elements along them; None and 1
        without reductions.
    statistics
        The means and sums, and the values computed from them alone.
    joined
        Number of functions that are concatenated along the channels.
    """

    tensor: str
    values: Values
    op: str
    axes: tuple[int, ...] | None = None
    joined: int = 1
    count: int = 1
    statistics: Sequence[Values] = ()


def readers_of(graph: GraphView, tensor: str, *, depth: int = 0) -> list[onnx.NodeProto]:
    """The nodes that read the values of a tensor, not only its shape or its type."""
    return [node for node in graph.consumers(tensor) if not _reads_shape_only(graph, node, tensor, depth)]


def _reads_shape_only(graph: GraphView, node: onnx.NodeProto, tensor: str, depth: int) -> bool:
    if node.op_type in SHAPE_READERS or (node.op_type == "CastLike" and node.input[0] != tensor):
        return True
    if node.op_type not in SHAPE_DETOURS or depth >= LONGEST_DETOUR or not node.output:
        return False
    output = node.output[0]
    following = graph.consumers(output)
    return (
        0 < len(following) <= MOST_NODES
        and not graph.gives_out(output)
        and all(_reads_shape_only(graph, each, output, depth + 1) for each in following)
    )


def regions(
    graph: GraphView,
    sources: Mapping[str, Values],
    layout: str,
    read: ReadConstant,
    *,
    statistics: bool = False,
) -> Iterator[Region]:
    """Find the tensors that are functions of `sources` alone and on which everything after them depends.

    Parameters
    ----------
    sources
        Tensors and their sample values, shape (1, samples), which is the same for all.
    layout
        Axes of the tensors.
    read
        Returns the constants that nodes combine with them (see `filterkit.graph.layers.constant_operands`).
    statistics
        Whether to follow means and sums over axes as well, which are then those of the samples.

    Yields
    ------
    Region
        In graph order, from the smallest; at most MOST_NODES.
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
        if found is None and axes is not None:  # the number of elements, computed with Shape
            row = numbers_from_shapes(graph, name, lambda tensor: assumed_sizes(graph, tensor))
            found = row.reshape(()) if row is not None and row.size == 1 else None
        return found

    def enqueue(name: str) -> None:
        for node in readers_of(graph, name):
            output = next(filter(None, node.output), None)
            index = graph.index_of_producer(output) if output is not None else None
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
        budget.step("evaluating node '{0.name}' ({0.op_type})", node)
        if not node.output or any(graph.consumers(name) for name in node.output[1:] if name):
            return
        if statistics and node.op_type in REDUCTIONS:
            found = _statistic(graph, node, values.get(node.input[0]), layout)
            if found is None or axes not in (None, found[0]):
                return
            axes, count, reduced = found
            result: Values | None = reduced
        elif axes is not None and node.op_type == "Expand":
            result = values.get(node.input[0])
            if result is None or result.shape[1] != 1:
                return
        elif node.op_type == "Concat":
            result = _concatenated(node, values, layout) if joined == 1 else None
            joined = len(node.input)
        else:
            result = _evaluated(node, values, with_counts)
        if result is None:
            return
        for name in set(node.input) & values.keys():
            pending[name] -= not _reads_shape_only(graph, node, name, 0)
        tensor = node.output[0]
        readers = len(readers_of(graph, tensor))
        if readers == 0 and not graph.gives_out(tensor):
            continue  # unused
        values[tensor] = result
        pending[tensor] = readers
        if axes is not None and result.shape[1] == 1:
            taken.append(result)
        is_all = not ends and not any(left for name, left in pending.items() if name != tensor)
        if is_all:
            yield Region(tensor, result, node.op_type, axes, joined, count, taken)
        if readers == 0:
            ends.add(tensor)  # an output of the graph: later tensors no longer depend on everything
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
    result = elementwise.apply(op, attributes(node), inputs)
    return result if result is not None and np.ndim(result) == 2 else None


def _concatenated(node: onnx.NodeProto, values: Mapping[str, Values], layout: str) -> Values | None:
    """Functions concatenated along the channels, one row each; None for any other Concat."""
    axis = attributes(node).get("axis")
    known = isinstance(axis, int) and -len(layout) <= axis < len(layout) and layout[axis] == "C"
    parts = [values.get(name) for name in node.input]
    rows = [part for part in parts if part is not None and part.shape[0] == 1]
    if not known or len(rows) != len(parts) or len({row.shape[1] for row in rows}) > 1:
        return None  # an expanded statistic still has one sample here
    return np.concatenate(rows)


def _statistic(
    graph: GraphView, node: onnx.NodeProto, reduced: Values | None, layout: str
) -> tuple[tuple[int, ...], int, Values] | None:
    """The axes that a node reduces to length 1, the number of elements along them, and its output.

    Unknown sizes are those of `assumed_sizes`: exporters compute the number of elements with Shape.
    """
    rank = len(layout)
    axes = range(2, rank) if node.op_type.startswith("Global") else integer_list(graph, node, "axes")
    if reduced is None or not axes or not attributes(node).get("keepdims", 1):
        return None
    if not all(-rank <= axis < rank for axis in axes):
        return None
    reduced_axes = tuple(sorted({axis % rank for axis in axes}))
    sizes = assumed_sizes(graph, node.input[0]) or [FALLBACK] * rank
    count = math.prod(int(sizes[axis]) for axis in reduced_axes if axis < len(sizes))
    with np.errstate(all="ignore"):
        result = REDUCTIONS[node.op_type](reduced, count)
    return reduced_axes, count, np.asarray(result)


def assumed_sizes(graph: GraphView, tensor: str) -> list[float] | None:
    """A tensor's shape, with a distinct size for each axis of unknown size."""
    sizes = known_sizes(graph, tensor)
    if sizes is None:
        return None
    return [ASSUMED[axis % len(ASSUMED)] if math.isnan(size) else size for axis, size in enumerate(sizes)]
