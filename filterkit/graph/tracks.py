"""What is known of a tensor's axes while a graph is traced: which input axis each follows, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
        Input axes that every value sees as a whole, whatever it sees of them besides: through a pooling over
        all of an axis, a norm over it, a softmax along it.
    unknown
        Input axes that a value may see in a way that nobody followed.

    An axis that is followed no longer goes to `spread` or to `unknown`, so that nothing depends on an input
    in a way that is told by none of them.
    """

    axes: tuple[Track | None, ...]
    spread: Sources = frozenset()
    unknown: Sources = frozenset()

    def mixed(self, axes: Iterable[int]) -> Tracks:
        """With every position along `axes` depending on all others, e.g. behind a softmax."""
        return replace(self, spread=union(self.spread, self._sources(axes)))

    def pooled(self, axes: Iterable[int], *, keep: bool = True) -> Tracks:
        """With one value for all of `axes`, which are of length 1 then, or (not `keep`) no longer there."""
        gone = self._counted(axes)
        return Tracks(self._without(gone, keep), union(self.spread, self._sources(gone)), self.unknown)

    def lost(self, axes: Iterable[int], *, keep: bool = True) -> Tracks:
        """With `axes` followed no longer, or (not `keep`) no longer there."""
        gone = self._counted(axes)
        return Tracks(self._without(gone, keep), self.spread, union(self.unknown, self._sources(gone)))

    def replaced(self, new: dict[int, Track | None]) -> Tracks:
        """With other tracks at some axes; what they followed is lost where the new track is None."""
        axes = tuple(new.get(axis, track) for axis, track in enumerate(self.axes))
        lost = self._sources(axis for axis in new if new[axis] is None)
        return Tracks(axes, self.spread, union(self.unknown, lost))

    def beside(self, other: Tracks) -> Tracks:
        """With every value seeing all that `other` sees."""
        spread = union(self.spread, other.spread, other.followed())
        return Tracks(self.axes, spread, union(self.unknown, other.unknown))

    def followed(self) -> Sources:
        """The input axes that some axis follows."""
        return self._sources(range(len(self.axes)))

    def sources(self) -> Sources:
        """All input axes that the tensor depends on."""
        return union(self.spread, self.unknown, self.followed())

    def _counted(self, axes: Iterable[int]) -> set[int]:
        """`axes`, those from the end counted from the front."""
        return {axis % len(self.axes) for axis in axes} if self.axes else set()

    def _without(self, gone: set[int], keep: bool) -> tuple[Track | None, ...]:
        left = [None if axis in gone else track for axis, track in enumerate(self.axes)]
        return tuple(track for axis, track in enumerate(left) if keep or axis not in gone)

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
    inputs = list(inputs)
    spread = union(*(tracks.spread for tracks in inputs))
    unknown = (union(tracks.unknown, tracks.followed()) for tracks in inputs)
    return Tracks((None,) * rank, spread, union(*unknown))


def joined(inputs: Sequence[Tracks], rank: int) -> Tracks:
    """What comes out of an elementwise operator; axes are aligned at the right, as in broadcasting."""
    if len(inputs) == 1 and len(inputs[0].axes) == rank:
        return inputs[0]
    padded = [(None,) * (rank - len(tracks.axes)) + tracks.axes for tracks in inputs]
    spread = union(*(tracks.spread for tracks in inputs))
    unknown = union(*(tracks.unknown for tracks in inputs))
    axes: list[Track | None] = []
    for candidates in zip(*padded, strict=True):
        track, lost = _join(candidates)
        axes.append(track)
        unknown = union(unknown, lost)
    return Tracks(tuple(axes), spread, unknown)


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
