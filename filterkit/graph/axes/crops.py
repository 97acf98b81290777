"""The part of a picture that one position of a tensor depends on, and a crop that computes it exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from filterkit.geometry import Reach
from filterkit.graph.axes.reshaped_axes import Track
from filterkit.graph.axes.trace import Trace, trace
from filterkit.graph.view.view import GraphView

Side = tuple[int, int]
"""First pixel along an axis, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One axis of a crop.

    Attributes
    ----------
    field
        The receptive field, inside the picture.
    window
        What the network must see to compute this position as in the whole picture.
    removed
        Number of positions that the tensor loses before this one.
    """

    field: Side
    window: Side
    removed: int


class Crops:
    """The crops of a network for pictures of one size.

    Parameters
    ----------
    graph
        Ends at the tensors of interest: a crop is exact for all of its nodes.
    name, layout, shape
        The picture's input, its axes, and their sizes.
    """

    def __init__(self, graph: GraphView, name: str, layout: str, shape: Sequence[int]) -> None:
        self._trace: Trace = trace(graph, {name: tuple(shape)})
        self._which = self._trace.inputs.index(name)
        self._layout, self._shape = layout, tuple(shape)
        self._margins: dict[tuple[int, int], tuple[int, int, int] | None] = {}

    def size(self, tensor: str) -> tuple[int | str | None, ...] | None:
        """The shape of a tensor, if it is known."""
        return self._trace.shapes.get(tensor)

    def at(
        self, tensor: str, layout: str, position: Sequence[int], *, uniform: bool = False
    ) -> tuple[Crop, ...] | None:
        """The crop for a position of a tensor, for each of the axes ``HW``.

        With `uniform`, windows at the border are as large as the others, so that all can run together.
        None if the position depends on the whole picture, or in a way that is not known: through a global
        pooling, a norm over positions, a reshape, an axis that runs backwards.
        """
        tracks = self._trace.tracks.get(tensor)
        sources = {letter: (self._which, self._layout.index(letter)) for letter in "HW"}
        if (
            tracks is None
            or len(tracks.axes) != len(layout)
            or len(position) != 2
            or not {*"HW"} <= {*layout}
        ):
            return None
        if (tracks.spread | tracks.unknown) & {*sources.values()}:
            return None
        found = []
        for letter, place in zip("HW", position, strict=True):
            track = tracks.track(layout.index(letter))
            if track is None or track.source != sources[letter]:
                return None
            size = self._shape[self._layout.index(letter)]
            crop = self._along(track, sources[letter], place, size, uniform=uniform)
            if crop is None:
                return None
            found.append(crop)
        return tuple(found)

    def _along(
        self, track: Track, source: tuple[int, int], place: int, size: int, *, uniform: bool
    ) -> Crop | None:
        window = track.reach.at(place)
        if window is None or not all(Fraction(end).denominator == 1 for end in window):
            return None
        if source not in self._margins:
            self._margins[source] = self._margin(track, size)
        margin = self._margins[source]
        if margin is None:
            return None
        step, before, after = margin
        first, end = int(window[0]), int(window[1]) + 1
        start = max(first - before, 0) // step * step
        stop = min(
            end + after + (size - end - after) % step, size
        )  # the same remainder, as SAME pads depend on it
        if uniform:  # room for the field wherever it begins between two places of the grid
            room = before + math.ceil(track.reach.field) + after + step - 1
            length = max(min(room + (size - room) % step, size), stop - start)
            start = min(start, size - length)
            stop = start + length
        removed = Fraction(start) / track.reach.jump
        if stop <= start or removed.denominator != 1:
            return None
        field = min(max(first, 0), size), max(min(end, size), 0)
        return Crop(field, (start, stop), int(removed)) if field[0] < field[1] else None

    def _margin(self, track: Track, size: int) -> tuple[int, int, int] | None:
        """The grid on which crops begin, and their margins around the field; None if there is no grid."""
        step, before, after = 1, 0, 0
        for reach, positions in self._reaches(track):
            advance = Fraction(reach.advance)
            if advance <= 0 or advance.denominator != 1:
                return None
            step = math.lcm(step, int(advance))  # all grids, and phases of upsampling, stay aligned
            if step > size:
                return None
            # Positions that the network itself cuts off must be cut off outside of the field.
            ends = reach.at(0), reach.at(positions - 1) if positions else None
            if ends[0] is not None:
                before = max(before, math.ceil(ends[0][0]))
            if ends[1] is not None:
                after = max(after, math.ceil(size - 1 - ends[1][1]))
        return step, before, after

    def _reaches(self, track: Track) -> list[tuple[Reach, int | None]]:
        """The axes of all tensors that follow the same axis of the picture, with their sizes."""
        found = []
        for name, tracks in self._trace.tracks.items():
            shape = self._trace.shapes.get(name)
            for axis in range(len(tracks.axes)):
                other = tracks.track(axis)
                if other is not None and other.source == track.source:
                    positions = shape[axis] if shape is not None and len(shape) == len(tracks.axes) else None
                    found.append((other.reach, positions if isinstance(positions, int) else None))
        return found
