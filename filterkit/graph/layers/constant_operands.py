"""Constant operands of elementwise nodes: one number for all elements, or one per channel or position."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.elementwise import QUANTIZED
from filterkit.graph.loading.tensors import to_array
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.foldable import is_computed_in_place
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes

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
