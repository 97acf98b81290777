"""Activations that combine channels: maxout and GLU, whose outputs have fewer channels than the layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from filterkit.graph.layers.activation_nodes import Found
from filterkit.graph.layers.constant_operands import aligned, integer_list
from filterkit.graph.layers.elementwise import sigmoid
from filterkit.graph.layers.elementwise_regions import MOST_NODES, readers_of, regions
from filterkit.graph.layers.layout_changes import reshape_target
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes

UNBOUNDED = 2**31 - 1
"""End of a Slice that takes everything, whatever the length."""


def channel_activation(
    graph: GraphView, tensor: str, layout: str, channels: int, readers: Sequence[onnx.NodeProto]
) -> Found | None:
    """The maxout (maximum of groups of channels) or GLU (``a * sigmoid(b)`` of the halves) after a tensor."""
    if layout.count("C") != 1:
        return None
    if len(readers) == 1 and readers[0].op_type == "Reshape":
        return _maxout_by_reduction(graph, readers[0], tensor, layout, channels)
    parts = _channel_parts(graph, tensor, layout, channels, readers)
    if len(parts) < 2:
        return None
    numbers = np.random.default_rng(0).normal(0, 3, (len(parts), 1, 64))
    sources = dict(zip(parts, numbers, strict=True))
    for region in regions(
        graph, sources, layout, lambda node, name: aligned(graph, node, name, layout, channels // len(parts))
    ):
        if region.values.shape != numbers[0].shape:
            return None
        if np.array_equal(region.values, numbers.max(axis=0)):
            return Found(region.tensor, "maxout")
        if len(parts) == 2 and any(
            np.allclose(region.values, one * sigmoid(other), atol=1e-5)
            for one, other in (numbers, numbers[::-1])
        ):
            return Found(region.tensor, "glu")
    return None


def _channel_parts(
    graph: GraphView, tensor: str, layout: str, channels: int, readers: Sequence[onnx.NodeProto]
) -> list[str]:
    """The equal parts into which the channels are split, by one Split or by several Slices.

    Empty where they are not, or where the parts do not cover all channels.
    """
    axis = layout.index("C")
    if len(readers) == 1 and readers[0].op_type == "Split" and readers[0].input[:1] == [tensor]:
        node = readers[0]
        sizes = integer_list(graph, node, "split")
        if sizes is None:
            return []
        stated = attributes(node).get("axis", 0)
        fits = isinstance(stated, int) and stated in (axis, axis - len(layout))
        is_even = not sizes or len(set(sizes)) == 1
        many = 2 <= len(node.output) <= MOST_NODES and channels % len(node.output) == 0
        return list(node.output) if fits and is_even and many and all(node.output) else []
    ranges = {}
    for node in readers:
        found = _channel_range(graph, node, tensor, axis, len(layout), channels)
        if found is None:
            return []
        ranges[found] = node.output[0]
    width = channels // max(len(ranges), 1)
    even = [(index * width, (index + 1) * width) for index in range(len(ranges))]
    return [ranges[each] for each in even] if sorted(ranges) == even and width * len(even) == channels else []


def keeps_all_channels(graph: GraphView, node: onnx.NodeProto, layout: str, channels: int) -> bool:
    """Whether a Slice keeps the whole batch and all channels; exporters may state these axes as well."""
    names = ("starts", "ends", "axes", "steps")
    stated = [integer_list(graph, node, name, at) for at, name in enumerate(names, 1)]
    if any(each is None for each in stated):
        return False
    starts, ends, axes, steps = (each or [] for each in stated)
    axes = axes or [*range(len(starts))]
    steps = steps or [1] * len(axes)
    if not axes or not len(starts) == len(ends) == len(axes) == len(steps):
        return False
    sizes = {"N": UNBOUNDED, "C": channels}
    return all(
        -len(layout) <= axis < len(layout)
        and (
            layout[axis] not in sizes
            or (step == 1 and slice(start, end).indices(sizes[layout[axis]])[:2] == (0, sizes[layout[axis]]))
        )
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
    )


def _channel_range(
    graph: GraphView, node: onnx.NodeProto, tensor: str, axis: int, rank: int, channels: int
) -> tuple[int, int] | None:
    """Start and end of the channels that a Slice along them takes."""
    if node.op_type != "Slice" or node.input[:1] != [tensor] or not node.output:
        return None
    names = ("starts", "ends", "axes", "steps")
    starts, ends, axes, steps = (integer_list(graph, node, name, at) for at, name in enumerate(names, 1))
    if starts is None or ends is None or axes is None or steps is None:
        return None
    if len(starts) != 1 or len(ends) != 1 or steps not in ([], [1]) or axes not in ([axis], [axis - rank]):
        return None
    first, last, _ = slice(starts[0], ends[0]).indices(channels)
    return first, last


def _maxout_by_reduction(
    graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str, channels: int
) -> Found | None:
    """Maxout written as a Reshape that splits the channels into two axes, and a ReduceMax along one."""
    wide = node.output[0]
    shape, index = reshape_target(graph, node, graph.shape(tensor) or ()), layout.index("C")
    following = readers_of(graph, wide)
    if node.input[:1] != [tensor] or len(shape) != len(layout) + 1 or len(following) != 1:
        return None
    last = following[0]
    one, other = shape[index : index + 2]
    if last.op_type != "ReduceMax" or not isinstance(one, int) or not isinstance(other, int):
        return None
    along = [axis % len(shape) for axis in integer_list(graph, last, "axes") or ()]
    if one * other != channels or along not in ([index], [index + 1]) or shape[along[0]] == 1:
        return None
    if not attributes(last).get("keepdims", 1):
        return Found(last.output[0], "maxout")
    after = readers_of(graph, last.output[0])
    if len(after) != 1 or after[0].op_type not in ("Squeeze", "Reshape") or not after[0].output:
        return None
    flat = graph.shape(after[0].output[0])
    return Found(after[0].output[0], "maxout") if flat is not None and len(flat) == len(layout) else None
