"""Axes that a Reshape has split or merged, written as digits of a position in a mixed radix.

A position in a tensor is one index per axis. A Reshape rewrites it: 64 rows become 32 pairs of 2, or rows and
columns become one axis. As long as no operator computes along the digits, a later Reshape restores the
original axes, as in group norms, pixel shuffles and windowed attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from filterkit.geometry import MOST_PHASES, Reach, product

Source = tuple[int, int]
"""Index of one of the graph's inputs, and of one of its axes."""


@dataclass(frozen=True, slots=True)
class Track:
    """An axis that follows one axis of an input: what each of its positions sees there is `reach`.

    With `source` None it is an axis of length 1 that the graph added.
    """

    source: Source | None
    reach: Reach


ADDED = Track(None, Reach())


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit of a position: ``position // step % size`` on an axis of `whole` positions.

    Attributes
    ----------
    track
        The track of the whole axis that was split; None where it follows no input axis.
    """

    track: Track | None
    size: int
    step: int
    whole: int

    @property
    def is_leading(self) -> bool:
        """Whether it is the most significant digit: the only one that locates a position, if coarsely."""
        return self.step * self.size == self.whole

    @property
    def source(self) -> Source | None:
        return self.track.source if self.track is not None else None

    def split(self, size: int) -> tuple[Digit, Digit]:
        """The same number as two digits, of which the first has `size` values."""
        rest = self.size // size
        return replace(self, size=size, step=self.step * rest), replace(self, size=rest)

    def leading_track(self) -> Track | None:
        """The track of the leading digit by itself, whatever the others are."""
        if self.track is None or not self.is_leading:
            return None
        return Track(self.source, self.track.reach.window(self.step, stride=self.step))


@dataclass(frozen=True, slots=True)
class Fold:
    """An axis of several digits, or of one digit of another axis; the last digit varies fastest."""

    digits: tuple[Digit, ...]

    @property
    def track(self) -> Track | None:
        """What its positions see, where that is a regular pattern: only the first digit is followed."""
        first, *others = self.digits
        track = first.leading_track()
        repeats = product([digit.size for digit in others])
        if track is None or repeats > MOST_PHASES or any(digit.source is not None for digit in others):
            return None
        return Track(track.source, track.reach.read([range(1)] * repeats))

    @property
    def source(self) -> Source | None:
        """The input axis that it follows."""
        return self.track.source if self.track is not None else None


Axis = Track | Fold | None
"""None where an axis follows no input axis, like the channels after a convolution."""


def track_of(axis: Axis) -> Track | None:
    """The track of an axis, whether or not it consists of digits."""
    return axis.track if isinstance(axis, Fold) else axis


def is_kept(axis: Axis, length: int | str | None) -> bool:
    """Whether an operator that copies positions to an axis of `length` leaves the axis as it is.

    An axis of digits must keep all of its positions; any other may be cropped at its end.
    """
    return not isinstance(axis, Fold) or product([digit.size for digit in axis.digits]) == length


def digits_of(axis: Axis, size: int) -> tuple[Digit, ...]:
    """The digits of an axis of `size` positions."""
    return axis.digits if isinstance(axis, Fold) else (Digit(axis, size, 1, size),)


def sources_of(axis: Axis) -> Iterable[Source]:
    """The input axes that an axis follows."""
    followed = axis.digits if isinstance(axis, Fold) else [axis] if axis is not None else []
    return [each.source for each in followed if each.source is not None]


def partial_tracks(axis: Axis) -> list[Track]:
    """The tracks of the digits of an axis that are a part of another axis only."""
    digits = axis.digits if isinstance(axis, Fold) else ()
    return [digit.track for digit in digits if digit.track is not None and digit.size != digit.whole]


def without_parts(axis: Axis, parts: Sequence[Track]) -> Axis:
    """An axis with the digits of `parts` replaced by independent axes, one for each leading digit.

    A leading digit sees what all lower digits see together, so the lower ones follow nothing.
    """
    if not isinstance(axis, Fold) or not any(digit.track in parts for digit in axis.digits):
        return axis
    return fold(
        Digit(digit.leading_track(), digit.size, 1, digit.size) if digit.track in parts else digit
        for digit in axis.digits
    )


def fold(digits: Iterable[Digit]) -> Axis:
    """The axis of these digits; adjacent digits of one axis are merged again."""
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
    """The axes that a Reshape to `sizes` makes of digits, and the digits that are in none of them.

    Axes are matched from both ends; those in between, whose sizes share no factors, follow nothing.
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
    """The axes matched from one end, the remaining digits, and the digits of length 1 that were dropped."""
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
