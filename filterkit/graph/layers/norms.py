"""Norms other than batch norm after a convolution: operators, and their decompositions by older exporters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.constant_operands import aligned
from filterkit.graph.layers.elementwise_regions import REDUCTIONS, readers_of, regions
from filterkit.graph.layers.layout_changes import layout_after, reshape_target, shapes_may_match
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes, bodies

NORMS = {
    "InstanceNormalization": "instance_norm", "GroupNormalization": "group_norm", "GroupNorm": "group_norm",
    "LayerNormalization": "layer_norm", "RMSNormalization": "layer_norm",
    "SimplifiedLayerNormalization": "layer_norm", "LRN": "lrn",
}  # fmt: skip
"""Names by operator, of ONNX and ONNX Runtime."""

BETWEEN_RESHAPES = frozenset({"Mul", "Add", "Sum", "Sub", "Div", "Identity", "Cast"})
"""Operators allowed between a grouped norm and the Reshape that restores the shape: scale and shift."""

LONGEST = 12
"""Maximum number of these nodes."""


class Norm(NamedTuple):
    """A norm's name and its output, whose layout is that of its input."""

    name: str
    tensor: str
    activation: str | None = None


def norm_after(
    graph: GraphView, tensor: str, layout: str, channels: int, readers: Sequence[onnx.NodeProto]
) -> Norm | None:
    """The norm that all readers of `tensor` belong to; None if there is none."""
    if len(readers) == 1:
        node = readers[0]
        if node.op_type in NORMS and node.input[:1] == [tensor] and node.output and node.output[0]:
            return _operator(graph, node, layout)
        if node.op_type == "MeanVarianceNormalization" and node.output:
            axes = attributes(node).get("axes", [0, 2, 3])
            name = _name_of_axes([axis for axis in axes if axis], layout) if layout[:1] == "N" else None
            return Norm(name, node.output[0]) if name else None
        if node.op_type == "Reshape" and node.input[:1] == [tensor]:
            return _grouped_norm(graph, node, layout, channels)
    if any(_is_reduced(graph, node) for node in readers):
        found = _by_values(graph, tensor, layout, channels)
        if found is not None:
            name = _name_of_axes(found[1], layout)
            return Norm(name, found[0]) if name else None
    output = response_norm(graph, tensor, layout, channels, readers)
    return Norm("lrn", output) if output is not None else None


def _is_reduced(graph: GraphView, node: onnx.NodeProto) -> bool:
    """Whether a node computes means or sums or, as in RMS norms, the squares that these are taken of."""
    if node.op_type in ("Mul", "Pow") and node.output:
        return any(each.op_type in REDUCTIONS for each in readers_of(graph, node.output[0]))
    return node.op_type in REDUCTIONS


def _operator(graph: GraphView, node: onnx.NodeProto, layout: str) -> Norm | None:
    name = NORMS[node.op_type]
    channels_first = name in ("instance_norm", "group_norm", "lrn") and node.domain in STANDARD
    if channels_first and layout.index("C") != 1:
        return None
    if any(graph.consumers(other) for other in node.output[1:] if other):
        return None
    given = attributes(node)
    if name == "layer_norm":
        axis = given.get("axis", -1)
        is_axis = isinstance(axis, int) and -len(layout) <= axis < len(layout)
        found = _name_of_axes(range(axis % len(layout), len(layout)), layout) if is_axis else None
        return Norm(found, node.output[0]) if found else None
    if node.op_type != "GroupNorm":
        return Norm(name, node.output[0])
    if layout.index("C") != (len(layout) - 1 if given.get("channels_last", 1) else 1):
        return None
    return Norm(name, node.output[0], "silu" if given.get("activation", 0) == 1 else None)


def _name_of_axes(axes: Sequence[int], layout: str) -> str | None:
    """Name of a norm over these axes; None where they include the batch."""
    rank = len(layout)
    if not all(isinstance(axis, int) and -rank <= axis < rank for axis in axes):
        return None
    letters = {layout[axis] for axis in axes}
    if not letters or "N" in letters:
        return None
    return "instance_norm" if letters == set(layout) - {"N", "C"} else "layer_norm"


def _grouped_norm(graph: GraphView, node: onnx.NodeProto, layout: str, channels: int) -> Norm | None:
    """A norm between two Reshapes, with scale and shift after it: how PyTorch exports GroupNorm."""
    grouped = node.output[0]
    shape = graph.shape(grouped)
    readers = readers_of(graph, grouped)
    name, tensor = "group_norm", ""
    if len(readers) == 1 and readers[0].op_type in NORMS and readers[0].input[:1] == [grouped]:
        name, tensor = NORMS[readers[0].op_type], readers[0].output[0]
        if name == "instance_norm":
            groups = shape[1] if shape is not None and len(shape) > 1 else None
            name = "instance_norm" if groups == channels else "group_norm"
        elif name == "layer_norm":
            axis = attributes(readers[0]).get("axis", -1)
            found_name = _name_of_groups(graph.shape(node.input[0]), shape, axis, layout, channels)
            if found_name is None:
                return None
            name = found_name
    elif shape is not None and len(shape) > 2:
        found = _by_values(graph, grouped, "N" + "C" * (len(shape) - 1), 0)
        if found is None or 0 in found[1] or len(found[1]) > len(shape) - 1:
            return None
        tensor = found[0]
    for _ in range(LONGEST):
        following = readers_of(graph, tensor) if tensor else []
        if len(following) != 1 or not following[0].output:
            return None
        last = following[0]
        if last.op_type == "Reshape":
            return (
                Norm(name, last.output[0]) if _restores_shape(graph, node, last, layout, channels) else None
            )
        others = [each for each in last.input if each != tensor]
        if last.op_type not in BETWEEN_RESHAPES or not all(map(graph.is_constant, others)):
            return None
        tensor = last.output[0]
    return None


def _name_of_groups(
    before: Sequence[int | str | None] | None,
    after: Sequence[int | str | None] | None,
    axis: object,
    layout: str,
    channels: int,
) -> str | None:
    """Name of a layer norm over all axes from `axis` on, after a Reshape from one shape to another.

    The axes before `axis` give the number of groups per picture.
    """
    if not before or not after or not isinstance(axis, int) or not -len(after) <= axis < len(after):
        return None
    first = axis % len(after)
    groups, pictures = list(after[:first]), before[0]
    is_open = len(groups) > 1 and not isinstance(groups[0], int) and not isinstance(pictures, int)
    if is_open or (pictures is not None and groups[:1] == [pictures]):
        groups, pictures = groups[1:], 1
    if not groups:
        return "layer_norm" if pictures == 1 else None
    if layout.index("C") != 1:
        return "layer_norm" if layout[-1] == "C" and list(after[first:]) == [channels] else None
    sizes = [size for size in (pictures, *groups) if isinstance(size, int) and size > 0]
    if len(sizes) <= len(groups):
        return None
    count, rest = divmod(math.prod(sizes[1:]), sizes[0])
    if rest or not count or channels % count:
        return None
    return "instance_norm" if count == channels else "group_norm"


def _restores_shape(
    graph: GraphView, first: onnx.NodeProto, last: onnx.NodeProto, layout: str, channels: int
) -> bool:
    """Whether the second Reshape restores the shape before the first."""
    producer = graph.producer(last.input[1]) if len(last.input) > 1 else None
    if producer is not None and producer.op_type == "Shape" and producer.input[0] == first.input[0]:
        return True
    before, after = graph.shape(first.input[0]), graph.shape(last.output[0])
    if after is None or len(after) != len(layout) or after[layout.index("C")] != channels:
        return False
    return shapes_may_match(before, after)


def _by_values(
    graph: GraphView, tensor: str, layout: str, channels: int
) -> tuple[str, tuple[int, ...]] | None:
    """The first tensor that is a norm of `tensor`, and the axes of that norm.

    A norm does not change when its input is scaled and shifted, whatever nodes compute it. An RMS norm does
    not change when its input is scaled; it may be an L2 norm times the square root of the number of elements.
    With `channels` 0, the channels are divided into groups, and scales that differ by channel count as 1.
    """

    def read(node: onnx.NodeProto, name: str) -> NDArray[Any] | None:
        if channels or not graph.is_constant(name):
            return aligned(graph, node, name, layout, channels)
        constant = aligned(graph, node, name, layout, 1)
        return np.ones(()) if constant is None else constant

    sample = np.random.default_rng(0).normal(1, 3, (1, 64))
    samples = (sample, sample * 2 + 5, sample * np.abs(sample))
    runs = [regions(graph, {tensor: values}, layout, read, statistics=True) for values in samples]
    before: NDArray[np.float64] | None = None
    for found in zip(*runs, strict=False):
        one, moved, bent = (each.values for each in found)
        if found[0].axes is None:
            continue
        with np.errstate(all="ignore"):  # values may overflow
            if _is_norm(sample, one, moved):
                return found[0].tensor, found[0].axes
            factor = _factor_of_root_mean_square([(sample, one), (samples[2], bent)])
            is_mean = any(_is_mean_square(sample, each) for each in found[0].statistics)
            if factor is not None and (is_mean or _is_scaled(before, factor, math.sqrt(found[0].count))):
                return found[0].tensor, found[0].axes
        before = factor
    return None


def _is_norm(sample: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    if one.shape[1] != sample.shape[1] or other.shape != one.shape:
        return False
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return False
    spread = one.std(axis=1, keepdims=True)
    if not (spread > 1e-6).any() or np.any(np.abs(one - other) > 1e-3 * (spread + np.abs(one)) + 1e-6):
        return False
    centred = sample - sample.mean()
    slope = (one * centred).mean(axis=1, keepdims=True) / centred.var()
    return bool(
        np.all(np.abs(one - one.mean(axis=1, keepdims=True) - slope * centred) <= 1e-3 * spread + 1e-6)
    )


def _factor_of_root_mean_square(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64] | None:
    """The factors of ``x / sqrt(mean(x**2)) * factor``, one per row; None for any other function."""
    factors = []
    for numbers, result in pairs:
        if result.shape[1] != numbers.shape[1] or not np.isfinite(result).all():
            return None
        factors.append(result / numbers * np.sqrt((numbers**2).mean()))
    every = np.concatenate(factors, axis=1)
    expected = every[:, :1]
    fits = (np.abs(expected) > 1e-6).any() and np.all(
        np.abs(every - expected) <= 1e-3 * np.abs(expected) + 1e-6
    )
    return expected if fits else None


def _is_mean_square(sample: NDArray[np.float64], result: NDArray[np.float64]) -> bool:
    """Whether values are the mean square or its root; an L2 norm computes only a sum."""
    square = (sample**2).mean()
    return any(np.allclose(result, expected, rtol=1e-3) for expected in (square, math.sqrt(square)))


def _is_scaled(before: NDArray[np.float64] | None, after: NDArray[np.float64], by: float) -> bool:
    """Whether an L2 norm becomes an RMS norm: multiplied by the square root of the number of elements."""
    return before is not None and by > 1 and np.allclose(after, before * by, rtol=1e-3)


CARRIERS = frozenset({"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Pad"})
"""Operators allowed between the squares and the pooling, and after it."""
LONGEST_WINDOW = 12
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
    for _ in range(2 * LONGEST_WINDOW):
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
    for _ in range(LONGEST_WINDOW):
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
    return (
        node.op_type == "If"
        and 0 < len(inside) <= LONGEST_WINDOW
        and all(n.op_type in allowed for n in inside)
    )


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
