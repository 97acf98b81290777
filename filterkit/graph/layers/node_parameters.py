"""Parameters of nodes: lists that are attributes or inputs, and numbers computed from shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.elementwise import FLOATING, apply
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

MOST_NUMBERS = 64
"""Maximum length of a list of parameters."""
DEEPEST = 16
"""Maximum number of nodes between a shape and a number computed from it."""
ARITHMETIC = frozenset(
    {
        *("Squeeze", "Unsqueeze", "Reshape", "Identity", "Cast", "Gather", "Slice", "Concat", "ReduceProd"),
        *("Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Reciprocal", "Pow", "Max", "Min"),
    }
)
"""Operators that may compute such a number."""

Numbers = NDArray[np.float64]
SizesOf = Callable[[str], Sequence[float] | None]
"""Maps a tensor to its shape, with NaN for unknown sizes; None where the rank is unknown."""


def integer_list(graph: GraphView, node: onnx.NodeProto, name: str, index: int = 1) -> list[int] | None:
    """Read a list of integers, e.g. axes, that is an attribute or, in newer opsets, an input.

    Exporters may compute it from the shape of a tensor, e.g. half the number of channels.

    Returns
    -------
    list of int or None
        Empty where it is omitted; None where it is unknown or not a list of integers.
    """
    if len(node.input) > index and node.input[index]:
        numbers = numbers_from_shapes(graph, node.input[index], lambda tensor: known_sizes(graph, tensor))
        is_list = (
            numbers is not None and np.isfinite(numbers).all() and bool((numbers == np.floor(numbers)).all())
        )
        return [int(each) for each in numbers] if numbers is not None and is_list else None
    values: Any = attributes(node).get(name, [])
    is_list = isinstance(values, list | tuple) and all(isinstance(each, int) for each in values)
    return list(values) if is_list and len(values) <= MOST_NUMBERS else None


def known_sizes(graph: GraphView, tensor: str) -> list[float] | None:
    """A tensor's shape, with NaN for unknown sizes; None where the rank is unknown."""
    shape = graph.shape(tensor)
    return None if shape is None else [size if isinstance(size, int) else math.nan for size in shape]


def numbers_from_shapes(graph: GraphView, tensor: str, sizes: SizesOf) -> Numbers | None:
    """Numbers that are constant or computed only from shapes, in one dimension; None where they are not."""
    found = _read(graph, tensor, sizes, {}, 0)
    return None if found is None else found.row


class _Found(NamedTuple):
    row: Numbers
    is_whole: bool  # integers, whose quotients are rounded down


def _read(
    graph: GraphView, tensor: str, sizes: SizesOf, known: dict[str, _Found | None], depth: int
) -> _Found | None:
    """The numbers in a tensor; each tensor on the way is evaluated once."""
    if tensor in known:
        return known[tensor]
    known[tensor] = None  # until it is computed
    node = graph.producer(tensor)
    found: _Found | None = None
    if graph.is_constant(tensor):
        found = _constant(graph, tensor)
    elif node is None or node.domain not in STANDARD or depth >= DEEPEST or node.output[0] != tensor:
        return None
    elif node.op_type in ("Shape", "Size"):
        shape = sizes(node.input[0])
        if shape is not None:
            found = _of_shape(node, np.asarray(shape, np.float64))
    elif node.op_type in ARITHMETIC:
        inputs = [_read(graph, name, sizes, known, depth + 1) for name in node.input if name]
        if inputs and not any(each is None for each in inputs):
            with np.errstate(all="ignore"):
                found = _computed(node, [each for each in inputs if each is not None])
    known[tensor] = found if found is not None and found.row.size <= MOST_NUMBERS else None
    return known[tensor]


def _of_shape(node: onnx.NodeProto, sizes: Numbers) -> _Found | None:
    given = attributes(node)
    first, last = given.get("start", 0), given.get("end")
    if not isinstance(first, int) or not isinstance(last, int | None):
        return None
    return _Found(sizes[first:last] if node.op_type == "Shape" else sizes.prod()[None], True)


def _constant(graph: GraphView, tensor: str) -> _Found | None:
    try:
        value = graph.constant(tensor)
    except NotConstant:
        return None
    if value.size > MOST_NUMBERS or value.dtype.kind not in "fiub":
        return None
    return _Found(value.ravel().astype(np.float64), value.dtype.kind in "iub")


def _computed(node: onnx.NodeProto, inputs: Sequence[_Found]) -> _Found | None:
    """The output of a node for lists of numbers; in the graph they are one-dimensional or scalar."""
    op, given = node.op_type, attributes(node)
    rows = [each.row for each in inputs]
    first, is_whole = rows[0], all(each.is_whole for each in inputs)
    try:
        if op in ("Squeeze", "Unsqueeze", "Reshape", "Identity"):
            return inputs[0]
        if op == "Cast":
            return _Found(first, False) if given.get("to") in FLOATING else _Found(np.trunc(first), True)
        if op == "Gather":
            return _Found(first[rows[1].astype(int)], is_whole)
        if op == "Slice":
            stated = [int(row[0]) for row in rows[1:]] or [given["starts"][0], given["ends"][0]]
            step = stated[3] if len(stated) > 3 else None
            return _Found(first[slice(stated[0], stated[1], step)], inputs[0].is_whole)
        if op == "Concat":
            return _Found(np.concatenate(rows), is_whole)
        if op == "ReduceProd":
            return _Found(first.prod()[None], is_whole)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return None
    result = apply(op, given, rows)
    if result is None:
        return None
    row = np.asarray(result, np.float64).ravel()
    return _Found(np.floor(row) if is_whole and op == "Div" else row, is_whole)
