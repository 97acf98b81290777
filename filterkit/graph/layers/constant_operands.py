"""Constant operands and parameters of nodes: aligned with channels, from attributes, inputs or shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.elementwise import FLOATING, QUANTIZED, apply
from filterkit.graph.loading.tensors import to_array
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.foldable import is_computed_in_place
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

POSITIONS = 64
"""Number of positions at which a constant that differs along several axes is sampled."""


def aligned(
    graph: GraphView, node: onnx.NodeProto, name: str, layout: str, channels: int
) -> NDArray[Any] | None:
    """A constant that a node combines with a tensor of this layout, shape () or (channels,).

    None where it is not constant, or differs along other axes than the channels.
    """
    constant = _expanded(graph, node, name, len(layout))
    if constant is None or constant.ndim == 0:
        return constant
    axis = layout.index("C")
    if constant.shape[axis] == channels == constant.size:
        return constant.reshape(channels)
    is_one_number = bool((constant == constant.flat[0]).all()) and _fits(graph, node, name, constant)
    return constant.ravel()[:1].reshape(()) if is_one_number else None


def at_positions(graph: GraphView, node: onnx.NodeProto, name: str, rank: int) -> NDArray[Any] | None:
    """A constant that differs along any axes, sampled at POSITIONS positions that are the same for all."""
    constant = _expanded(graph, node, name, rank)
    if constant is None or constant.ndim == 0:
        return constant
    if not _fits(graph, node, name, constant):
        return None
    positions = np.random.default_rng(0).random((rank, POSITIONS)) * np.array(constant.shape)[:, None]
    return np.asarray(constant[tuple(positions.astype(int))])


def _expanded(graph: GraphView, node: onnx.NodeProto, name: str, rank: int) -> NDArray[Any] | None:
    """A constant of real numbers, expanded to the rank of the tensor it is combined with, or a scalar."""
    constant: NDArray[Any] | None
    if graph.is_constant(name):
        if _is_computed_map(graph, name):
            return None
        try:
            constant = graph.constant(name)
        except NotConstant:
            return None
    else:
        constant = fill_value(graph, name)
    if constant is None or constant.ndim > rank or constant.size == 0 or constant.dtype.kind in "OSUc":
        return None
    if constant.dtype.kind not in "fiub":
        constant = constant.astype(np.float64)  # bfloat16 and the like
    if node.op_type in QUANTIZED:
        constant = _dequantized(graph, node, name, constant)
    if constant is None or constant.size == 1:
        return None if constant is None else constant.reshape(())
    trailing = 0
    if graph.opset < 7:  # broadcasting was explicit then
        axis = attributes(node).get("axis")
        trailing = rank - constant.ndim - axis % rank if isinstance(axis, int) else 0
        if not 0 <= trailing <= rank - constant.ndim:
            return None
    return constant.reshape((1,) * (rank - constant.ndim - trailing) + constant.shape + (1,) * trailing)


def _is_computed_map(graph: GraphView, name: str) -> bool:
    """Whether a constant is neither bias nor scale but a map that is expensive to compute.

    An example is the position embedding of a vision transformer, resized to the picture.
    """
    home = graph.home(name)
    producer = home.producer(name) if home is not None else None
    if producer is None or is_computed_in_place(producer):
        return False
    return sum(size != 1 for size in graph.shape(name) or ()) > 1


def _fits(graph: GraphView, node: onnx.NodeProto, name: str, constant: NDArray[Any]) -> bool:
    """Whether a constant broadcasts to the tensor that it is combined with without enlarging it."""
    sizes = [graph.shape(other) for other in node.input if other not in ("", name)]
    return any(
        each is not None
        and len(each) == constant.ndim
        and all(own in (1, size) for own, size in zip(constant.shape, each, strict=True))
        for each in sizes
    )


def _dequantized(
    graph: GraphView, node: onnx.NodeProto, name: str, codes: NDArray[Any]
) -> NDArray[Any] | None:
    """The real values of a QLinear operator's codes; scale and zero point are the next two inputs."""
    at = list(node.input).index(name)
    try:
        scale = graph.constant(node.input[at + 1])
        zero = graph.constant(node.input[at + 2]) if node.input[at + 2] else np.zeros(())
        if scale.size != 1 or zero.size != 1:
            return None
        return np.asarray((codes.astype(np.float64) - float(zero.ravel()[0])) * float(scale.ravel()[0]))
    except (NotConstant, IndexError, TypeError, ValueError):
        return None


def fill_value(graph: GraphView, name: str) -> NDArray[Any] | None:
    """The number that fills a tensor of which only the shape is computed at run time (``zeros_like``)."""
    producer = graph.producer(name)
    if producer is None or not producer.input:
        return None
    result: NDArray[Any] | None = None
    if producer.op_type == "ConstantOfShape":
        value = attributes(producer).get("value")
        if value is None:
            return np.zeros((), np.float32)
        if isinstance(value, onnx.TensorProto) and list(value.dims) in ([], [1]):
            result = to_array(value, graph.path)
    elif producer.op_type == "Expand" and graph.is_constant(producer.input[0]):
        with suppress(NotConstant):
            result = graph.constant(producer.input[0])
    return result.reshape(()) if result is not None and result.size == 1 else None


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
