"""Recognize local response normalization that is decomposed into several nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.constant_operands import aligned
from filterkit.graph.layers.elementwise_regions import readers_of, regions
from filterkit.graph.layers.layout_changes import layout_after, reshape_target, shapes_may_match
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes, bodies

CARRIERS = frozenset({"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Pad"})
"""Operators allowed between the squares and the pooling, and after it."""
LONGEST = 12
"""Maximum number of these nodes on either side."""
SQUARES = np.geomspace(1e-3, 1e9, 60)[None]
"""Means of squares at which the divisor is evaluated."""

Values = NDArray[np.float64]


def response_norm(
    graph: GraphView, tensor: str, layout: str, channels: int, readers: Sequence[onnx.NodeProto]
) -> str | None:
    """The output of ``x / (k + alpha * mean of squares of neighbouring channels) ** beta``, if there is one.

    It may also be a product with the power of -beta, and the mean may be a sum.
    """
    squares = [node for node in readers if _is_square(graph, node, tensor, layout)]
    last = next((node for node in readers if node.op_type in ("Div", "Mul") and node not in squares), None)
    if len(readers) != 2 or len(squares) != 1 or last is None or not (last.output and squares[0].output):
        return None
    other = [name for name in last.input if name != tensor]
    if len(last.input) != 2 or len(other) != 1 or (last.op_type == "Div" and last.input[0] != tensor):
        return None
    mean = _mean_of_channels(graph, squares[0].output[0], layout, channels)
    if mean is None or not shapes_may_match(graph.shape(tensor), graph.shape(other[0])):
        return None

    def read(node: onnx.NodeProto, name: str) -> NDArray[Any] | None:
        return aligned(graph, node, name, layout, 1)

    start, is_divided = regions(graph, {mean: SQUARES}, layout, read), last.op_type == "Div"
    for region in start:
        name = _after_carriers(graph, region.tensor)
        if name == other[0] and _is_power(1 / region.values if is_divided else region.values):
            return str(last.output[0])
    return None


def _is_power(values: Values) -> bool:
    """Whether values are ``(k + alpha * s) ** -beta`` at `SQUARES`, with positive k, alpha and beta."""
    if values.shape != SQUARES.shape or not np.isfinite(values).all() or not (values > 0).all():
        return False
    logs, sizes = np.log(values[0]), np.log(SQUARES[0])
    beta = (logs[-2] - logs[-1]) / (sizes[-1] - sizes[-2])
    if not 0 < beta < 8:
        return False
    with np.errstate(all="ignore"):
        line = values[0] ** (-1 / beta)
        alpha = (line[-1] - line[0]) / (SQUARES[0, -1] - SQUARES[0, 0])
        expected = line[0] + alpha * (SQUARES[0] - SQUARES[0, 0])
    return bool(line[0] > alpha * SQUARES[0, 0] and np.allclose(line, expected, rtol=2e-2))


def _mean_of_channels(graph: GraphView, squares: str, layout: str, channels: int) -> str | None:
    """The means over neighbouring channels of a tensor of squares, in its layout; None if there are none."""
    output, wide, is_pooled = squares, layout or None, False
    for _ in range(2 * LONGEST):
        following = readers_of(graph, output)
        node = following[0] if len(following) == 1 and following[0].output else None
        if node is not None and node.op_type == "AveragePool" and not is_pooled:
            if not _is_along_channels(node, wide):
                return None
            is_pooled = True
        elif node is not None and _is_scale(graph, node, output, layout) and not is_pooled:
            pass
        elif node is not None and (node.op_type in CARRIERS or _only_squeezes(node)):
            if node.op_type in ("Unsqueeze", "Reshape", "Transpose") and not is_pooled:
                wide = _carried_layout(graph, node, output, wide, channels)
        else:
            return output if is_pooled else None
        output = node.output[0]
    return None


def _after_carriers(graph: GraphView, tensor: str) -> str:
    """The tensor after all nodes that only move axes."""
    for _ in range(LONGEST):
        following = readers_of(graph, tensor)
        if len(following) != 1 or following[0].op_type not in CARRIERS or not following[0].output:
            break
        tensor = following[0].output[0]
    return tensor


def _is_scale(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str) -> bool:
    """Whether a node multiplies or divides by a single number."""
    others = [name for name in node.input if name != tensor]
    if node.op_type not in ("Mul", "Div") or len(others) != 1 or node.input[0] != tensor:
        return False
    constant = aligned(graph, node, others[0], layout, 1)
    return constant is not None and constant.ndim == 0


def _only_squeezes(node: onnx.NodeProto) -> bool:
    """Whether a node is the If that PyTorch exports to squeeze an axis only if its length is 1."""
    inside = [each for body in bodies(node) for each in body.node]
    allowed = ("Squeeze", "Identity", "Constant")
    return node.op_type == "If" and 0 < len(inside) <= LONGEST and all(n.op_type in allowed for n in inside)


def _is_square(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str) -> bool:
    if node.op_type == "Mul":
        return list(node.input) == [tensor, tensor]
    if node.op_type != "Pow" or node.input[:1] != [tensor] or len(node.input) != 2:
        return False
    exponent = aligned(graph, node, node.input[1], layout, 1)
    return exponent is not None and exponent.ndim == 0 and float(exponent) == 2


def _carried_layout(
    graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str | None, channels: int
) -> str | None:
    """The layout after a node that adds or moves axes; a Reshape may add an axis before the channels."""
    if layout is None or node.op_type != "Reshape":
        return layout and layout_after(graph, node, tensor, layout)
    shape = reshape_target(graph, node, graph.shape(tensor) or ())
    fits = len(shape) > 2 and shapes_may_match(shape[1:3], (1, channels))
    return "N1C" + "DHW"[: len(shape) - 3] if fits and layout[:2] == "NC" else None


def _is_along_channels(node: onnx.NodeProto, layout: str | None) -> bool:
    """Whether the window of a pooling extends along the channels only, with stride 1."""
    given = attributes(node)
    window, strides = given.get("kernel_shape"), given.get("strides", [])
    if layout is None or not isinstance(window, list | tuple) or len(window) != len(layout) - 2:
        return False
    is_long = {letter for letter, size in zip(layout[2:], window, strict=True) if size != 1}
    return is_long == {"C"} and isinstance(strides, list | tuple) and all(step == 1 for step in strides)
