"""The part of a picture that a position of a feature map sees, in the picture's own pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from filterkit.graph.axes.trace import Trace, trace
from filterkit.responses.graph import spatial_axes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.graph.axes.tensor_axes import Tracks
    from filterkit.graph.view.view import GraphView

    Ends = NDArray[np.int64]


class Boxes(NamedTuple):
    """Boxes in pictures, each of shape (n,); `bottom` and `right` are the first rows and columns outside."""

    top: Ends
    left: Ends
    bottom: Ends
    right: Ends
    at_border: NDArray[np.bool_]


class ReceptiveBoxes:
    """The receptive fields of a network, for pictures of one size.

    Parameters
    ----------
    graph
        The network, or an excerpt.
    name, layout, shape
        The picture's input, its axes, and their sizes.
    """

    def __init__(self, graph: GraphView, name: str, layout: str, shape: Sequence[int]) -> None:
        self._trace: Trace = trace(graph, {name: tuple(shape)})
        self._which = self._trace.inputs.index(name)
        self._layout = layout
        self._size = {letter: shape[layout.index(letter)] for letter in "HW"}

    def boxes(
        self,
        tensor: str,
        layout: str,
        positions: Mapping[str, Sequence[int]],
        pictures: tuple[Sequence[int], Sequence[int]],
    ) -> Boxes:
        """The box of each position, inside the picture.

        Parameters
        ----------
        tensor, layout
            What the positions are of.
        positions
            By spatial axis of the layout, the index of each position.
        pictures
            Height and width of each picture before it was resized.

        Returns
        -------
        Boxes
            The whole picture where the field is unbounded, or not known.
        """
        tracks = self._trace.tracks.get(tensor)
        ends: list[Ends] = []
        borders: list[NDArray[np.bool_]] = []
        for letter, own in zip("HW", pictures, strict=True):
            first, end, touches = self._side(tracks, layout, positions, letter, len(own))
            scale = np.asarray(own, np.int64) / self._size[letter]
            # Rounded outwards: a pixel that is partly seen is in the box.
            ends += (
                np.floor(first * scale + 1e-9).astype(np.int64),
                np.ceil(end * scale - 1e-9).astype(np.int64),
            )
            borders.append(touches)
        top, bottom, left, right = ends
        return Boxes(top, left, bottom, right, borders[0] | borders[1])

    def _side(
        self,
        tracks: Tracks | None,
        layout: str,
        positions: Mapping[str, Sequence[int]],
        letter: str,
        count: int,
    ) -> tuple[Ends, Ends, NDArray[np.bool_]]:
        """The first pixel along an axis, the one after the last, and whether one of them is at an end."""
        size = self._size[letter]
        found = self._windows(tracks, layout, positions, letter)
        if found is None:
            return np.zeros(count, np.int64), np.full(count, size), np.ones(count, bool)
        first, end = found
        touches = (first <= 0) | (end >= size)
        first, end = first.clip(0, size - 1), end.clip(1, size)
        return first, np.maximum(end, first + 1), touches

    def _windows(
        self, tracks: Tracks | None, layout: str, positions: Mapping[str, Sequence[int]], letter: str
    ) -> tuple[Ends, Ends] | None:
        source = self._which, self._layout.index(letter)
        if tracks is None or len(tracks.axes) != len(layout) or source in tracks.spread | tracks.unknown:
            return None
        for axis in spatial_axes(layout):
            track = tracks.track(layout.index(axis))
            if track is None or track.source != source or axis not in positions:
                continue
            distinct, inverse = np.unique(np.asarray(positions[axis], np.int64), return_inverse=True)
            windows = [track.reach.at(int(place)) for place in distinct]
            if any(window is None for window in windows):
                return None
            first = np.array([math.floor(window[0]) for window in windows if window], np.int64)
            end = np.array([math.floor(window[1]) + 1 for window in windows if window], np.int64)
            return first[inverse], end[inverse]
        return None
