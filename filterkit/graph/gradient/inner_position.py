"""A position of a tensor whose receptive field lies inside the input, so that no padding takes part in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onnx import ModelProto

from filterkit.errors import ModelError
from filterkit.geometry import Number
from filterkit.graph.axes.reshaped_axes import Track
from filterkit.graph.axes.trace import Trace, trace
from filterkit.graph.excerpt.free_sizes import free_sizes
from filterkit.graph.layers.picture_input import CONVOLUTIONS
from filterkit.graph.loading.names import shown
from filterkit.graph.view.foldable import label
from filterkit.graph.view.view import GraphView

if TYPE_CHECKING:
    from filterkit.records import FloatArray

MOST_PIXELS = 2**22
"""Limit on the size of the input, without its channels."""

ATTEMPTS = 24
"""Limit on the sizes of the input that are tried."""


@dataclass(frozen=True, slots=True)
class Side:
    """One axis of positions of the target.

    Attributes
    ----------
    axis
        The axis of the input that it follows; None if it is an axis of length 1 that the graph added.
    position
        The position on it.
    start, field
        Where its receptive field begins, and its width.
    """

    axis: int | None
    position: int
    start: int
    field: int


@dataclass(frozen=True, slots=True)
class InnerPosition:
    """The position, and the input that it needs.

    Attributes
    ----------
    entry, entry_shape
        The input, and its shape with the batch size 1, if the file does not fix it.
    batch_axis, batch
        Of the input; the batch size if the file fixes it, else 0.
    sides
        For each axis of positions, in canonical order (D, H, W).
    others
        The shapes of the other inputs.
    """

    entry: str
    entry_shape: tuple[int, ...]
    batch_axis: int
    batch: int
    sides: tuple[Side, ...]
    others: Mapping[str, tuple[int, ...]]

    @property
    def position(self) -> tuple[int, ...]:
        return tuple(side.position for side in self.sides)

    @property
    def field(self) -> tuple[int, ...]:
        return tuple(side.field for side in self.sides)

    @property
    def size(self) -> tuple[int, ...]:
        """The sizes of the input's axes that are followed."""
        return tuple(self.entry_shape[side.axis] for side in self.sides if side.axis is not None)

    @property
    def channels(self) -> int:
        return math.prod(self.entry_shape) // (self.entry_shape[self.batch_axis] * math.prod(self.size))

    def shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """The shapes of all inputs for a batch."""
        shape = list(self.entry_shape)
        shape[self.batch_axis] = batch
        return {**self.others, self.entry: tuple(shape)}

    def cropped(self, values: FloatArray) -> FloatArray:
        """The receptive field of values shaped like the input: shape (N, channels, *field)."""
        followed = [side for side in self.sides if side.axis is not None]
        last = [self.batch_axis, *(side.axis for side in followed if side.axis is not None)]
        rest = [axis for axis in range(values.ndim) if axis not in last]
        ordered = values.transpose([last[0], *rest, *last[1:]])
        ordered = ordered.reshape(len(ordered), self.channels, *self.size)
        windows = [slice(side.start, side.start + side.field) for side in followed]
        return ordered[:, :, *windows].reshape(len(ordered), self.channels, *self.field)


def inner_position(
    model: ModelProto, name: str, target: tuple[str, str], entry: str, path: Path
) -> InnerPosition:
    """The first position with the widest receptive field, on an input that is no larger than needed.

    Parameters
    ----------
    model
        Its sizes are made symbolic in place, where the graph allows.
    name
        What the target is called in messages.
    target
        A tensor and its axes, e.g. ``("conv1", "NCHW")``.
    entry
        The input.

    Raises
    ------
    ModelError
        The receptive field is unbounded or unknown, or does not fit into the input.
    """
    tensor, layout = target
    view = GraphView(model, path)
    traced = trace(view, {})
    if entry not in traced.inputs or tensor not in traced.tracks:
        raise ModelError(
            f"{name} cannot be expanded: it does not depend on the input '{shown(entry)}'",
            hint="choose another layer",
        )
    tracks = _tracks(view, traced, name, target, traced.inputs.index(entry))
    axes = [track.source[1] if track.source else None for track in tracks]
    batch_axis = _batch_axis(traced, target, axes)
    declared = _declared(model, name, entry, batch_axis, axes)
    shape = [size or 1 for size in declared]
    for track, axis in zip(tracks, axes, strict=True):
        if axis is not None and not declared[axis]:
            shape[axis] = math.ceil(track.reach.field)
    view = GraphView(model, path)
    for _ in range(ATTEMPTS):
        if math.prod(shape[axis] for axis in axes if axis is not None) > MOST_PIXELS:
            break
        traced = trace(view, {entry: tuple(shape)})
        sides = [
            _side(traced, target, letter, axis, 1 if axis is None else shape[axis])
            for letter, axis in zip(_positions(layout), axes, strict=True)
        ]
        found = tuple(side for side in sides if side is not None)
        if len(found) == len(sides):
            others = {
                other: tuple(size if isinstance(size, int) else 1 for size in traced.shapes[other])
                for other in traced.inputs
                if other != entry
            }
            return InnerPosition(entry, tuple(shape), batch_axis, declared[batch_axis], found, others)
        missing = [
            (axis, track) for axis, track, side in zip(axes, tracks, sides, strict=True) if side is None
        ]
        if any(axis is None or declared[axis] for axis, _ in missing):
            break
        for axis, track in missing:
            if axis is not None:
                shape[axis] += math.ceil(max(track.reach.advance, -track.reach.advance))
    field = " × ".join(str(math.floor(track.reach.field)) for track in tracks)
    raise ModelError(
        f"{name} cannot be expanded: its receptive field of {field} does not fit into the input",
        hint="choose a layer before it",
    )


def _positions(layout: str) -> list[str]:
    """The axes of positions of a layout, in canonical order."""
    return sorted(set(layout) - {*"NC"}, key="DHW123456789".index)


def _tracks(view: GraphView, traced: Trace, name: str, target: tuple[str, str], which: int) -> list[Track]:
    """What each axis of positions follows in the input; raises ModelError if that is not a window."""
    tensor, layout = target
    tracks = traced.tracks[tensor]
    found = [tracks.track(layout.index(letter)) for letter in _positions(layout)]
    known = [track for track in found if track is not None]
    sources = {track.source for track in known if track.source is not None}
    if (
        len(known) < len(found)
        or (tracks.spread | tracks.unknown) & sources
        or any(source[0] != which for source in sources)
        or len(sources) < len(traced.shapes[traced.inputs[which]]) - 2  # an axis of positions is not followed
    ):
        cause = _cause(view, traced, which)
        raise ModelError(
            f"{name} cannot be expanded: its receptive field is unbounded or unknown{cause}",
            hint=f"choose {'a layer before that' if cause else 'another layer'}; `filterkit layers` lists "
            "receptive fields",
        )
    return known


def _cause(view: GraphView, traced: Trace, which: int) -> str:
    """The first node that mixes positions along a whole axis, in words; empty if it is not known."""
    positions = {
        track.source
        for node in view.nodes
        if node.op_type in CONVOLUTIONS and (tracks := traced.tracks.get(node.output[0]))
        for axis in range(2, len(tracks.axes))
        if (track := tracks.track(axis)) and track.source and track.source[0] == which
    }
    for node in view.nodes:
        for name in node.output:
            tracks = traced.tracks.get(name)
            if tracks is not None and (tracks.spread | tracks.unknown) & positions:
                return f", because of node {label(node)}"
    return ""


def _batch_axis(traced: Trace, target: tuple[str, str], axes: Sequence[int | None]) -> int:
    tensor, layout = target
    track = traced.tracks[tensor].track(layout.index("N"))
    source = track.source if track is not None else None
    return source[1] if source is not None and source[1] not in axes else 0


def _declared(
    model: ModelProto, name: str, entry: str, batch_axis: int, axes: Sequence[int | None]
) -> list[int]:
    """The sizes of the input that the graph requires, and 0 for others."""
    value = next(value for value in model.graph.input if value.name == entry)
    dims = value.type.tensor_type.shape.dim
    letters: Iterator[str] = iter("DHW"[-len(axes) :] if len(axes) <= 3 else "123456789")
    named = {axis: next(letters) for axis in axes if axis is not None}
    layout = "".join("N" if axis == batch_axis else named.get(axis, "C") for axis in range(len(dims)))
    if any(dim.dim_value for dim, letter in zip(dims, layout, strict=True) if letter != "C"):
        free_sizes(model, entry, layout)
    if any(not dim.dim_value for dim, letter in zip(dims, layout, strict=True) if letter == "C"):
        raise ModelError(
            f"{name} cannot be expanded: the number of channels of its input is open",
            hint="export the network with a fixed number of channels",
        )
    return [dim.dim_value for dim in dims]


def _side(traced: Trace, target: tuple[str, str], letter: str, axis: int | None, size: int) -> Side | None:
    """The first position along an axis with the widest receptive field that lies inside."""
    tensor, layout = target
    place = layout.index(letter)
    shape = traced.shapes.get(tensor)
    track = traced.tracks[tensor].track(place)
    positions = shape[place] if shape is not None and len(shape) == len(layout) else None
    if track is None or not isinstance(positions, int):
        return None
    if axis is None:
        return Side(None, 0, 0, 1)
    low, high = _covered(traced, track, size)
    field = track.reach.field
    for position in range(positions):
        window = track.reach.at(position)
        if window is not None and low <= window[0] and window[1] <= high:
            first, last = math.floor(window[0]), math.ceil(window[1])
            if window[1] - window[0] + 1 >= field:
                return Side(axis, position, first, last + 1 - first)
    return None


def _covered(traced: Trace, track: Track, size: int) -> tuple[Number, Number]:
    """The pixels that every tensor on the way covers: beyond them, there may be padding in its place."""
    low: Number = 0
    high: Number = size - 1
    for tensor, tracks in traced.tracks.items():
        shape = traced.shapes.get(tensor)
        for axis in range(len(tracks.axes)):
            other = tracks.track(axis)
            if other is None or other.source != track.source or shape is None or axis >= len(shape):
                continue
            positions = shape[axis]
            if isinstance(positions, int) and positions > 0:
                ends = [window for place in (0, positions - 1) if (window := other.reach.at(place))]
                low = max(low, min((first for first, _ in ends), default=low))
                high = min(high, max((last for _, last in ends), default=high))
    return low, high
