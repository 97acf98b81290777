"""Nodes that together compute a function of one tensor alone, element by element, and that function.

Exporters write what is one operation to a user as a handful of nodes: ``x * clip(x + 3, 0, 6) / 6``. The
nodes behind a tensor are evaluated on numbers, one after the other; wherever all that was computed so far
goes into one tensor, that tensor is a function of the first, and its values say which.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit import budget
from filterkit.graph import elementwise
from filterkit.graph.constants import NotConstant
from filterkit.graph.view import GraphView
from filterkit.graph.walk import STANDARD, attributes

MOST_NODES = 32
"""How many nodes a region may have, and how many readers a tensor in it: Mish, decomposed, has ten."""
MOST_VALUES = 2**21
"""Numbers that one tensor of a region may hold: channels with constants of their own times the numbers that
the function is tried on."""
DOMAINS = (*STANDARD, "com.microsoft")
SHAPE_READERS = frozenset({"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"})
"""Operators that look at a tensor's shape or type alone."""
PASSED_ON = frozenset({"Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "DequantizeLinear"})
"""Operators behind which a shape may be asked for, too."""
LONGEST_DETOUR = 4
"""How many of these are gone through for that."""

Values = NDArray[np.float64]
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
    axes
        Axes that the function takes means over; None without any.
    joined
        Of how many functions it consists, side by side along the channels, where these are more than one.
    """

    tensor: str
    values: Values
    op: str
    axes: tuple[int, ...] | None = None
    joined: int = 1


def readers_of(graph: GraphView, tensor: str, *, depth: int = 0) -> list[onnx.NodeProto]:
    """The nodes that read the numbers in a tensor; not those that ask for its shape or type alone."""
    return [node for node in graph.consumers(tensor) if not _asks_for_shape(graph, node, tensor, depth)]


def _asks_for_shape(graph: GraphView, node: onnx.NodeProto, tensor: str, depth: int) -> bool:
    if node.op_type in SHAPE_READERS or (node.op_type == "CastLike" and node.input[0] != tensor):
        return True
    if node.op_type not in PASSED_ON or depth >= LONGEST_DETOUR or not node.output:
        return False
    made = node.output[0]
    behind = graph.consumers(made)
    return (
        0 < len(behind) <= MOST_NODES
        and not graph.gives_out(made)
        and all(_asks_for_shape(graph, each, made, depth + 1) for each in behind)
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
        Gives the constants that nodes combine with them (`filterkit.graph.operands`).
    statistics
        Whether means over axes are gone through, too: the samples are then what the mean is taken of.

    Yields
    ------
    Region
        In the order of the graph, from the smallest on; at most MOST_NODES.
    """
    values = dict(sources)
    waiting = {name: len(readers_of(graph, name)) for name in sources}
    queue: list[int] = []
    queued: set[int] = set()
    ends: set[str] = set()
    axes: tuple[int, ...] | None = None
    joined = 1

    def enqueue(name: str) -> None:
        for node in readers_of(graph, name):
            made = next(filter(None, node.output), None)
            index = graph.index_of_producer(made) if made is not None else None
            if index is not None and index not in queued:
                queued.add(index)
                heapq.heappush(queue, index)

    if any(count > MOST_NODES for count in waiting.values()):
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
        means = _mean_axes(graph, node, len(layout)) if statistics else None
        if means is not None:
            if axes not in (None, means) or node.input[0] not in values:
                return
            axes = means
            taken = values[node.input[0]]
            with np.errstate(all="ignore"):
                squared = taken**2 if node.op_type == "ReduceSumSquare" else taken
                made = squared.mean(axis=1, keepdims=True)
        elif node.op_type == "Concat":
            made = _joined(node, values, layout) if joined == 1 else None
            joined = len(node.input)
        else:
            made = _evaluated(node, values, read)
        if made is None:
            return
        for name in set(node.input) & values.keys():
            waiting[name] -= not _asks_for_shape(graph, node, name, 0)
        tensor = node.output[0]
        count = len(readers_of(graph, tensor))
        if count == 0 and not graph.gives_out(tensor):
            continue  # nobody needs it
        values[tensor] = made
        waiting[tensor] = count
        is_all = not ends and not any(left for name, left in waiting.items() if name != tensor)
        if is_all:
            yield Region(tensor, made, node.op_type, axes, joined)
        if count == 0:
            ends.add(tensor)  # given out as it is: nothing else is all that becomes of the sources
        if count > MOST_NODES:
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


def _joined(node: onnx.NodeProto, values: Mapping[str, Values], layout: str) -> Values | None:
    """Several functions side by side, one row each: joined along the channels."""
    axis = attributes(node).get("axis")
    known = isinstance(axis, int) and -len(layout) <= axis < len(layout) and layout[axis] == "C"
    parts = [values.get(name) for name in node.input]
    if not known or any(part is None or part.shape[0] != 1 for part in parts):
        return None
    return np.concatenate([part for part in parts if part is not None])


def _mean_axes(graph: GraphView, node: onnx.NodeProto, rank: int) -> tuple[int, ...] | None:
    """The axes that a node takes means over, which it keeps with a length of 1.

    A sum of squares counts as a mean of them, which is the same but for a constant factor.
    """
    if node.op_type == "GlobalAveragePool":
        return tuple(range(2, rank))
    if node.op_type not in ("ReduceMean", "ReduceSumSquare"):
        return None
    given = attributes(node)
    axes: Any = given.get("axes")
    if len(node.input) > 1 and node.input[1]:
        try:
            axes = graph.constant(node.input[1]).ravel().tolist()
        except NotConstant:
            return None
    if not given.get("keepdims", 1) or not isinstance(axes, list | tuple) or not axes:
        return None
    if not all(isinstance(axis, int) and -rank <= axis < rank for axis in axes):
        return None
    return tuple(sorted({axis % rank for axis in axes}))
