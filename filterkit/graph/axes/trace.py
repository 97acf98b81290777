"""Trace the axes of every tensor back to the axes of the graph's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from filterkit import budget
from filterkit.geometry import Reach, product
from filterkit.graph.axes.reshaped_axes import Track
from filterkit.graph.axes.rules import Step, trace_node
from filterkit.graph.axes.tensor_axes import Tracks
from filterkit.graph.layers.elementwise_regions import SHAPE_READERS
from filterkit.graph.view.view import GraphView, Shape
from filterkit.graph.view.walk import attributes, reads

PLACEHOLDERS = tuple(range(224, 224 + 32 * 16, 32))
"""Sizes for axes that the file leaves open: all different, so that a Reshape does not confuse them."""

MOST_INPUTS = 256
"""Number of inputs that are followed, from the first: every tensor may depend on all of their axes."""
MOST_AXES = 64
"""No axis of an input with more is followed; it is the limit of NumPy as well."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Tracks and shapes by tensor, and the names of the graph's inputs; constants have no tracks."""

    tracks: Mapping[str, Tracks]
    shapes: Mapping[str, Shape]
    inputs: Sequence[str]


def trace(graph: GraphView, sizes: Mapping[str, tuple[int, ...]]) -> Trace:
    """Trace the main graph for inputs of the given `sizes`, with placeholders for all others."""
    assumed = {value.name: concrete(value.shape) for value in graph.inputs if value.shape is not None}
    assumed |= sizes
    shapes, computed = graph.at_sizes(assumed)
    tracks: dict[str, Tracks] = {}
    for which, value in enumerate(graph.inputs[:MOST_INPUTS]):
        rank = len(value.shape) if value.shape is not None else 0
        axes = range(rank if rank <= MOST_AXES else 0)
        if value.name in assumed and product(assumed[value.name]) == 1:
            tracks[value.name] = Tracks((None,) * len(axes))  # a single number has no position
        else:
            tracks[value.name] = Tracks(tuple(Track((which, axis), Reach()) for axis in axes))
    for node in graph.nodes:
        budget.step("tracing node '{0.name}' ({0.op_type})", node)
        followed = {name: tracks[name] for name in reads(node) if name in tracks}
        if all(name in computed for name in node.output):
            continue  # arithmetic on shapes
        if followed and node.op_type not in SHAPE_READERS:
            step = Step(graph, node, followed, shapes, computed, attributes(node))
            tracks.update(zip(node.output, trace_node(step), strict=True))
    tracks.pop("", None)  # omitted outputs
    return Trace(tracks, shapes, [value.name for value in graph.inputs])


def concrete(shape: Shape) -> tuple[int, ...]:
    """A shape with its open sizes filled in: a batch of one, and placeholders."""
    return tuple(
        size if isinstance(size, int) else PLACEHOLDERS[axis % len(PLACEHOLDERS)] if axis else 1
        for axis, size in enumerate(shape)
    )
