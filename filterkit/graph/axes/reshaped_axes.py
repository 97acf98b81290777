"""Axes that a Reshape has split or merged: which digits of a position lie on which axis.

A position in a tensor is one number per axis. A Reshape writes it with others: 64 rows become 32 pairs
of 2, rows and columns become one axis of places. As long as nothing reckons along the digits, another Reshape
puts them together again, as in a group norm, a pixel shuffle, or attention within windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from filterkit.geometry import MOST_PHASES, Reach, product

Source = tuple[int, int]
"""Which of the graph's inputs, and which axis of it."""


@dataclass(frozen=True, slots=True)
class Track:
    """An axis that follows one axis of an input, or (`source` None) an axis of length 1 that was added."""

    source: Source | None
    reach: Reach


ADDED = Track(None, Reach())


@dataclass(frozen=True, slots=True)
class Digit:
    """A part of a position: ``position // step % size`` of an axis of `whole` positions.

    Attributes
    ----------
    track
        Of the axis that was split, as a whole; None where it follows no input axis.
    """

    track: Track | None
    size: int
    step: int
    whole: int

    @property
    def is_leading(self) -> bool:
        """Whether it is the first digit, which tells the place, if coarsely; the others tell none alone."""
        return self.step * self.size == self.whole

    @property
    def source(self) -> Source | None:
        return self.track.source if self.track is not None else None

    def split(self, size: int) -> tuple[Digit, Digit]:
        """The same number as two digits, the first of `size` values."""
        rest = self.size // size
        return replace(self, size=size, step=self.step * rest), replace(self, size=rest)

    def leading_track(self) -> Track | None:
        """The track of the leading digit, whatever the others are."""
        if self.track is None or not self.is_leading:
            return None
        return Track(self.source, self.track.reach.window(self.step, stride=self.step))


@dataclass(frozen=True, slots=True)
class Fold:
    """An axis of several digits, or of one digit of another axis; the last changes fastest."""

    digits: tuple[Digit, ...]

    @property
    def track(self) -> Track | None:
        """What the positions along it see, where that is a pattern: the first digit alone tells the place."""
        first, *others = self.digits
        track = first.leading_track()
        repeats = product([digit.size for digit in others])
        if track is None or repeats > MOST_PHASES or any(digit.source is not None for digit in others):
            return None
        return Track(track.source, track.reach.read([range(1)] * repeats))

    @property
    def source(self) -> Source | None:
        """The input axis that it follows, as that of a track."""
        return self.track.source if self.track is not None else None


Axis = Track | Fold | None
"""None where an axis follows no input axis, like the channels behind a convolution."""


def track_of(axis: Axis) -> Track | None:
    """An axis as operators see it that do not care of what it was made."""
    return axis.track if isinstance(axis, Fold) else axis


def has_length(axis: Axis, made: int | str | None) -> bool:
    """Whether an operator that reads every place as it is leaves an axis of `made` places what it was."""
    return not isinstance(axis, Fold) or product([digit.size for digit in axis.digits]) == made


def digits_of(axis: Axis, size: int) -> tuple[Digit, ...]:
    """The digits of an axis of `size` positions."""
    return axis.digits if isinstance(axis, Fold) else (Digit(axis, size, 1, size),)


def sources_of(axis: Axis) -> Iterable[Source]:
    """The input axes that an axis follows."""
    followed = axis.digits if isinstance(axis, Fold) else [axis] if axis is not None else []
    return [each.source for each in followed if each.source is not None]


def partial_tracks(axis: Axis) -> list[Track]:
    """Of the digits of an axis that are not all of another: the tracks of those."""
    digits = axis.digits if isinstance(axis, Fold) else ()
    return [digit.track for digit in digits if digit.track is not None and digit.size != digit.whole]


def without_parts(axis: Axis, parts: Sequence[Track]) -> Axis:
    """An axis without the digits of what `parts` follow: of those, the leading ones are axes of their own.

    They see what all digits behind them see together, so that those need not be told.
    """
    if not isinstance(axis, Fold) or not any(digit.track in parts for digit in axis.digits):
        return axis
    return fold(
        Digit(digit.leading_track(), digit.size, 1, digit.size) if digit.track in parts else digit
        for digit in axis.digits
    )


def fold(digits: Iterable[Digit]) -> Axis:
    """The axis of these digits: those that belong together are one again."""
    found: list[Digit] = []
    for digit in digits:
        last = found[-1] if found else None
        if digit.source is None:
            size = digit.size
            if last is not None and last.source is None:
                size *= found.pop().size
            found.append(Digit(None, size, 1, size))
        elif last is not None and _continues(last, digit):
            found[-1] = replace(digit, size=last.size * digit.size)
        else:
            found.append(digit)
    if len(found) == 1 and found[0].size == found[0].whole:
        return found[0].track
    return Fold(tuple(found))


def _continues(last: Digit, digit: Digit) -> bool:
    is_same = (last.track, last.whole) == (digit.track, digit.whole)
    return is_same and last.step == digit.step * digit.size


def regrouped(digits: Sequence[Digit], sizes: Sequence[int]) -> tuple[list[Axis], list[Digit]]:
    """The axes that a Reshape to `sizes` makes of digits, and the digits that are on none of them.

    Where the sizes share no factors, new axes follow nothing: from the first that cannot be told to the last.
    """
    front, rest, unused = _take_axes(digits, sizes)
    if len(front) == len(sizes):
        return front, [*unused, *rest]
    mirrored = sizes[len(front) :][::-1]
    back, rest, more = _take_axes(rest[::-1], mirrored, from_end=True)
    middle: list[Axis] = [None] * (len(sizes) - len(front) - len(back))
    return [*front, *middle, *back[::-1]], [*unused, *more, *rest]


def _take_axes(
    digits: Sequence[Digit], sizes: Sequence[int], *, from_end: bool = False
) -> tuple[list[Axis], list[Digit], list[Digit]]:
    """As many axes as can be told, the digits that are left, and those of length 1 that were left out."""
    left, axes, unused = list(digits)[::-1], list[Axis](), list[Digit]()
    for size in sizes:
        if size == 1:
            axes.append(left.pop().track if left and left[-1].size == 1 else ADDED)
            continue
        before, skipped = list(left), []
        taken: list[Digit] = []
        while size > 1 and left:
            digit = left.pop()
            if digit.size == 1:
                skipped.append(digit)
            elif size % digit.size == 0:
                taken.append(digit)
                size //= digit.size
            elif digit.size % size == 0:
                outer, inner = digit.split(digit.size // size if from_end else size)
                taken.append(inner if from_end else outer)
                left.append(outer if from_end else inner)
                size = 1
            else:
                break
        if size > 1:
            return axes, before[::-1], unused
        axes.append(fold(taken[::-1] if from_end else taken))
        unused += skipped
    return axes, left[::-1], unused
