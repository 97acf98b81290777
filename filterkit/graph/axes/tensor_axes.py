"""The axes of tensors during a trace: which input axes they follow, and what tracing rules receive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import onnx
from numpy.typing import NDArray

from filterkit.geometry import MOST_AXES, Reach
from filterkit.graph.axes.reshaped_axes import (
    ADDED,
    Axis,
    Digit,
    Fold,
    Source,
    Track,
    fold,
    partial_tracks,
    sources_of,
    track_of,
    without_parts,
)
from filterkit.graph.view.view import GraphView, Shape

Sources = frozenset[Source]


@dataclass(frozen=True, slots=True)
class Tracks:
    """How the axes of one tensor depend on the axes of the graph's inputs.

    Attributes
    ----------
    axes
        One `Axis` per axis of the tensor: the input axis that it follows, and the positions there that each
        of its positions sees. None where an axis follows no input axis, like the channels after a
        convolution.
    spread
        Input axes that every value depends on as a whole, in addition to what `axes` says: through a pooling
        over the whole axis, a norm over it, or a softmax along it.
    unknown
        Input axes that a value may depend on in an unknown way.

    Together the three cover every dependency: an input axis that is no longer followed moves to `spread` or
    to `unknown`.
    """

    axes: tuple[Axis, ...]
    spread: Sources = frozenset()
    unknown: Sources = frozenset()

    def track(self, axis: int) -> Track | None:
        """The input axis that an axis follows, whether or not a Reshape split or merged it."""
        return track_of(self.axes[axis])

    def mixed(self, axes: Iterable[int]) -> Tracks:
        """With every position along `axes` depending on all others, e.g. after a softmax."""
        mixed = self._normalized(axes)
        tracks = self._unfolded(mixed)
        return replace(tracks, spread=union(self.spread, tracks._sources(mixed)))

    def pooled(self, axes: Iterable[int], *, keep: bool = True) -> Tracks:
        """With `axes` reduced to one value: they have length 1, or are removed (not `keep`)."""
        removed = self._normalized(axes)
        tracks = self._unfolded(removed)
        return Tracks(
            tracks._without(removed, keep), union(self.spread, tracks._sources(removed)), self.unknown
        )

    def untracked(self, axes: Iterable[int], *, keep: bool = True) -> Tracks:
        """With `axes` following no input axis any more, or removed (not `keep`)."""
        removed = self._normalized(axes)
        tracks = self._unfolded(removed)
        return Tracks(
            tracks._without(removed, keep), self.spread, union(self.unknown, tracks._sources(removed))
        )

    def replaced(self, new: dict[int, Axis]) -> Tracks:
        """With new tracks for some axes; where one is None, what the axis followed becomes unknown."""
        tracks = self._unfolded(new)
        axes = tuple(new.get(axis, track) for axis, track in enumerate(tracks.axes))
        lost = tracks._sources(axis for axis in new if new[axis] is None)
        return Tracks(axes, self.spread, union(self.unknown, lost))

    def with_digit_reach(self, digit: Digit, reach: Reach, size: int) -> Tracks:
        """With a new reach for all digits of the axis led by `digit`, which now has `size` values."""
        assert digit.track is not None
        track, whole = Track(digit.source, reach), digit.step * size

        def rescaled(axis: Axis) -> Axis:
            if not isinstance(axis, Fold):
                return axis
            return fold(
                replace(each, track=track, whole=whole, size=size if each.is_leading else each.size)
                if (each.track, each.whole) == (digit.track, digit.whole)
                else each
                for each in axis.digits
            )

        return replace(self, axes=tuple(map(rescaled, self.axes)))

    def unfolded(self, parts: Sequence[Track]) -> Tracks:
        """With the axes that `parts` follow described by their leading digits only."""
        if not parts:
            return self
        return replace(self, axes=tuple(without_parts(axis, parts) for axis in self.axes))

    def depending_on(self, other: Tracks) -> Tracks:
        """With every value depending on everything that `other` depends on."""
        spread = union(self.spread, other.spread, other.followed())
        return Tracks(self.axes, spread, union(self.unknown, other.unknown))

    def followed(self) -> Sources:
        """The input axes that at least one axis follows."""
        return self._sources(range(len(self.axes)))

    def sources(self) -> Sources:
        """All input axes that the tensor depends on."""
        return union(self.spread, self.unknown, self.followed())

    def _normalized(self, axes: Iterable[int]) -> set[int]:
        """`axes` with negative ones counted from the front."""
        return {axis % len(self.axes) for axis in axes} if self.axes else set()

    def _without(self, removed: set[int], keep: bool) -> tuple[Axis, ...]:
        left = [None if axis in removed else track for axis, track in enumerate(self.axes)]
        return tuple(track for axis, track in enumerate(left) if keep or axis not in removed)

    def _unfolded(self, axes: Iterable[int]) -> Tracks:
        """Unfolded for an operator that computes along `axes`, which may hold digits of other axes."""
        return self.unfolded([part for axis in axes for part in partial_tracks(self.axes[axis])])

    def _sources(self, axes: Iterable[int]) -> Sources:
        return frozenset(source for axis in axes for source in sources_of(self.axes[axis]))


def union(*sets: Sources) -> Sources:
    """The union of several sets.

    Where the largest contains the others, as in most graphs, it is returned itself, so that millions of
    tensors share one set.
    """
    largest = max(sets, key=len, default=frozenset[Source]())
    others = [each for each in sets if each is not largest and not each <= largest]
    return largest.union(*others) if others else largest


def untracked_output(inputs: Iterable[Tracks], rank: int) -> Tracks:
    """The output of an operator that may mix all elements of its inputs."""
    inputs = list(inputs)
    spread = union(*(tracks.spread for tracks in inputs))
    unknown = (union(tracks.unknown, tracks.followed()) for tracks in inputs)
    return Tracks((None,) * rank, spread, union(*unknown))


def elementwise_output(inputs: Sequence[Tracks], rank: int, shape: Shape | None = None) -> Tracks:
    """The output of an elementwise operator; axes are aligned at the right, as in broadcasting.

    `shape` is the output's shape, where it is known.
    """
    if len(inputs) == 1 and len(inputs[0].axes) == rank:
        return inputs[0]
    parts = [
        part
        for candidates in _aligned(inputs, rank)
        if len(set(candidates) - {None, ADDED}) > 1
        for axis in candidates
        for part in partial_tracks(axis)
    ]
    inputs = [tracks.unfolded(parts) for tracks in inputs]
    spread = union(*(tracks.spread for tracks in inputs))
    unknown = union(*(tracks.unknown for tracks in inputs))
    axes: list[Axis] = []
    lengths = [size if isinstance(size, int) else None for size in shape or ()]
    lengths = lengths if len(lengths) == rank else [None] * rank
    for candidates, count in zip(_aligned(inputs, rank), lengths, strict=True):
        track, lost = _join(candidates, count)
        axes.append(track)
        unknown = union(unknown, lost)
    return Tracks(tuple(axes), spread, unknown)


def _aligned(inputs: Sequence[Tracks], rank: int) -> Iterable[tuple[Axis, ...]]:
    padded = [(None,) * (rank - len(tracks.axes)) + tracks.axes for tracks in inputs]
    return zip(*padded, strict=True)


def _join(candidates: Sequence[Axis], length: int | None) -> tuple[Axis, Sources]:
    """The output axis of an elementwise operator, and the input axes that it no longer follows."""
    axes = [axis for axis in candidates if axis is not None and axis != ADDED]
    if not axes:
        return (ADDED if ADDED in candidates else None), frozenset()
    if all(axis == axes[0] for axis in axes):
        return axes[0], frozenset()
    folds = [axis.digits for axis in axes if isinstance(axis, Fold)]
    if len(folds) == len(axes) and len({tuple(digit.size for digit in each) for each in folds}) == 1:
        joined = [
            _widest([digit.track for digit in digits], digits[0].size) for digits in zip(*folds, strict=True)
        ]
        axis = fold(
            Digit(track, digit.size, 1, digit.size)
            for (track, _), digit in zip(joined, folds[0], strict=True)
        )
        return axis, union(*(lost for _, lost in joined))
    untracked = [axis for axis in axes if track_of(axis) is None]
    widest, lost = _widest([track_of(axis) for axis in axes], length)
    return widest, union(lost, frozenset(source for axis in untracked for source in sources_of(axis)))


def _widest(candidates: Sequence[Track | None], length: int | None) -> tuple[Track | None, Sources]:
    """The widest of several tracks; where they follow different inputs, the first input is kept."""
    tracks = [track for track in candidates if track is not None]
    sources = sorted({track.source for track in tracks if track.source is not None})
    if not sources:
        return (ADDED if tracks else None), frozenset()
    followed = [track.reach for track in tracks if track.source == sources[0]]
    reach = followed[0]
    for other in followed[1:]:
        union = reach.union(other, length)
        if union is None:
            return None, frozenset(sources)
        reach = union
    return Track(sources[0], reach), frozenset(sources[1:])


@dataclass(frozen=True, slots=True)
class Step:
    """A node with everything its rule needs.

    Attributes
    ----------
    tracks
        Of those inputs that depend on the graph's inputs.
    shapes, computed
        Shapes and constant values of tensors at the sizes of the trace.
    values
        The node's attributes.
    """

    graph: GraphView
    node: onnx.NodeProto
    tracks: Mapping[str, Tracks]
    shapes: Mapping[str, Shape]
    computed: Mapping[str, NDArray[Any]]
    values: dict[str, Any]

    def first_tracks(self) -> Tracks:
        """Tracks of the first input."""
        return self.tracks[self.node.input[0]]

    def input_shape(self, index: int = 0) -> Shape | None:
        """Shape of an input."""
        return self.shapes.get(self.node.input[index])

    def output_shape(self, index: int = 0) -> Shape | None:
        """Shape of an output."""
        return self.shapes.get(self.node.output[index])

    def constant(self, index: int) -> NDArray[Any] | None:
        """The value of an optional constant input of real numbers; None where it is omitted."""
        if index >= len(self.node.input) or not self.node.input[index]:
            return None
        name = self.node.input[index]
        value = self.computed[name] if name in self.computed else self.graph.constant(name)
        if value.dtype.kind not in "biuf":
            raise Untraceable
        return value

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Integers that are an input in some opsets and an attribute in others; None where omitted."""
        given = self.constant(index)
        if given is not None:
            return [int(number) for number in limited(given.ravel())]
        value = self.values.get(name)
        return None if value is None else [value] if isinstance(value, int) else list(limited(value))


class Untraceable(Exception):
    """The rule does not apply to this node; no axis is followed through it."""


Numbers = TypeVar("Numbers", bound=Sized)


def limited(numbers: Numbers) -> Numbers:
    """`numbers`, if at most two per possible axis; a malicious node may state millions."""
    if len(numbers) > 2 * MOST_AXES:
        raise Untraceable
    return numbers


Rule = Callable[[Step], Tracks]
"""From a node to the tracks of its first output."""
