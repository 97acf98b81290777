"""What is known of a tensor's axes while a graph is traced: which input axis each follows, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filterkit.geometry import Reach

Source = tuple[int, int]
"""Which of the graph's inputs, and which axis of it."""


@dataclass(frozen=True, slots=True)
class Track:
    """An axis that follows one axis of an input, or (`source` None) an axis of length 1 that was added."""

    source: Source | None
    reach: Reach


ADDED = Track(None, Reach())

Sources = frozenset[Source]


@dataclass(frozen=True, slots=True)
class Tracks:
    """The axes of one tensor.

    Attributes
    ----------
    axes
        None where an axis follows no input axis, like the channels behind a convolution.
    spread
        Input axes that every value may depend on as a whole. An axis that is lost goes here, so that nothing
        depends on an input in a way that is told by neither.
    """

    axes: tuple[Track | None, ...]
    spread: Sources = frozenset()

    def mixed(self, axes: Iterable[int]) -> Tracks:
        """With every position along `axes` depending on all others, e.g. behind a softmax."""
        return Tracks(self.axes, union(self.spread, self._sources(axes)))

    def lost(self, axes: Iterable[int], *, keep: bool = True) -> Tracks:
        """Without `axes`: followed no longer, or (not `keep`) no longer there."""
        gone = {axis % len(self.axes) for axis in axes} if self.axes else set()
        left = [None if axis in gone else track for axis, track in enumerate(self.axes)]
        if not keep:
            left = [track for axis, track in enumerate(left) if axis not in gone]
        return Tracks(tuple(left), union(self.spread, self._sources(gone)))

    def replaced(self, new: dict[int, Track | None]) -> Tracks:
        """With other tracks at some axes; what they followed is lost where the new track is None."""
        axes = tuple(new.get(axis, track) for axis, track in enumerate(self.axes))
        lost = self._sources(axis for axis in new if new[axis] is None)
        return Tracks(axes, union(self.spread, lost))

    def sources(self) -> Sources:
        """All input axes that the tensor depends on."""
        return union(self.spread, self._sources(range(len(self.axes))))

    def _sources(self, axes: Iterable[int]) -> Sources:
        tracks = (self.axes[axis] for axis in axes)
        return frozenset(track.source for track in tracks if track is not None and track.source is not None)


def union(*sets: Sources) -> Sources:
    """All of several sets: the largest itself where it holds the others, as it does in most graphs.

    Tensors by the million share one set then.
    """
    largest = max(sets, key=len, default=frozenset[Source]())
    others = [each for each in sets if each is not largest and not each <= largest]
    return largest.union(*others) if others else largest


def nothing_followed(inputs: Iterable[Tracks], rank: int) -> Tracks:
    """What comes out of an operator that may mix everything with everything."""
    return Tracks((None,) * rank, union(*(tracks.sources() for tracks in inputs)))


def joined(inputs: Sequence[Tracks], rank: int) -> Tracks:
    """What comes out of an elementwise operator; axes are aligned at the right, as in broadcasting."""
    if len(inputs) == 1 and len(inputs[0].axes) == rank:
        return inputs[0]
    padded = [(None,) * (rank - len(tracks.axes)) + tracks.axes for tracks in inputs]
    spread = union(*(tracks.spread for tracks in inputs))
    axes: list[Track | None] = []
    for candidates in zip(*padded, strict=True):
        track, lost = _join(candidates)
        axes.append(track)
        spread = union(spread, lost)
    return Tracks(tuple(axes), spread)


def _join(candidates: Sequence[Track | None]) -> tuple[Track | None, Sources]:
    """The widest of several tracks. Where they follow different inputs, the first input's counts."""
    tracks = [track for track in candidates if track is not None]
    sources = sorted({track.source for track in tracks if track.source is not None})
    if not sources:
        return (ADDED if tracks else None), frozenset()
    followed = [track.reach for track in tracks if track.source == sources[0]]
    reach = followed[0]
    for other in followed[1:]:
        union = reach.union(other)
        if union is None:
            return None, frozenset(sources)
        reach = union
    return Track(sources[0], reach), frozenset(sources[1:])
