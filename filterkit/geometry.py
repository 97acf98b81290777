"""Where layers look and what they cost: arithmetic along one axis, products of sizes, and the record of both.

Formulas after A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, extended to branches of different alignment, to upsampling phase by phase, and to flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

MOST_AXES = 64
"""What an array of numpy has at most."""
LARGEST = 2**63 - 1
"""The largest size that a file can state, and the largest number that a database holds."""


def product(sizes: Collection[int], most: int = LARGEST) -> int:
    """How many elements an array of these sizes has, at a cost that does not depend on the sizes.

    Sizes that a file states are any number of any numbers; their exact product may take hours to compute.

    Parameters
    ----------
    sizes
        A list, a shape, or an array of integers.
    most
        Beyond this, the exact number does not matter.

    Returns
    -------
    int
        The product, or ``most + 1`` where it is larger.

    Raises
    ------
    ValueError
        There are more than `MOST_AXES` sizes, or one of them is negative.
    """
    if len(sizes) > MOST_AXES:
        raise ValueError(f"{len(sizes):,} axes are more than the {MOST_AXES} that an array can have")
    numbers = [int(size) for size in sizes]
    if min(numbers, default=0) < 0:
        raise ValueError("a size is negative")
    if 0 in numbers:
        return 0
    whole = 1
    for number in numbers:
        whole *= number
        if whole > most:
            return most + 1
    return whole


Number = int | Fraction
Window = tuple[Number, Number]
"""The first and the last input position that something sees."""

MOST_PHASES = 1 << 12
"""How many positions may see differently before the pattern repeats; Resizes to odd sizes multiply them."""
MOST_READS = 1 << 16
"""How many positions are looked at to find out what one period of a layer sees."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the positions along one axis see of an axis of the input: a pattern that repeats.

    Behind convolutions and poolings there is one window, which moves on by `advance` with every position.
    Behind an upsampling, neighbours see windows of different widths (or, where a transposed convolution has
    gaps, nothing): there is one window for each *phase*, and the pattern repeats after all of them.

    Attributes
    ----------
    windows
        What the first positions see, as far as the input goes on over its edges; None for nothing. Position
        ``i + len(windows)`` sees what position ``i`` sees, moved by `advance`.
    advance
        Whole numbers as the windows are, as long as the phases can be told apart (`MOST_PHASES`); negative
        where the axis runs backwards.
    """

    windows: tuple[Window | None, ...] = ((0, 0),)
    advance: Number = 1

    @property
    def field(self) -> Number:
        """Width of the widest window, in input steps; 0 where nothing is seen."""
        return max((last - first + 1 for first, last in filter(None, self.windows)), default=0)

    def widest(self, places: int | None, size: int | None) -> Number:
        """Width of the widest window where there are `places` positions, and an input of `size`.

        That is `field` where the pattern repeats among them. Where it does not, as behind a Resize that
        aligns corners, not all of it need be there: those windows count that lie within the input, if any.
        """
        if len(self.windows) == 1 or places is None or size is None or places >= 2 * len(self.windows):
            return self.field
        there = [window for window in map(self.at, range(places)) if window is not None]
        inside = [window for window in there if window[0] >= 0 and window[1] < size]
        return max((last - first + 1 for first, last in inside or there), default=0)

    @property
    def jump(self) -> Fraction:
        """Distance between the windows of neighbouring positions, the mean of one period."""
        return Fraction(self.advance) / len(self.windows)

    @property
    def offset(self) -> Number:
        """How far the window of the first position (that sees something) reaches over the left edge."""
        seeing = ((place, window) for place, window in enumerate(self.windows) if window is not None)
        return next((place * self.jump - window[0] if place else -window[0] for place, window in seeing), 0)

    @property
    def is_told(self) -> bool:
        """Whether its numbers are small enough to mean something; those of a hostile graph grow with it."""
        numbers = (self.advance, *(end for window in self.windows if window for end in window))
        return all(abs(number.numerator) <= LARGEST >= number.denominator for number in numbers)

    def at(self, position: int) -> Window | None:
        """What one position sees."""
        turn, phase = divmod(position, len(self.windows))
        return _moved(self.windows[phase], turn * self.advance)

    def read(self, reads: Sequence[range], advance: int = 1, places: int | None = None) -> Reach:
        """Behind an operator that reads several positions at a time.

        Parameters
        ----------
        reads
            Which positions of this axis the first ones of the new axis read, one range for each phase.
        advance
            How much further the next `len(reads)` positions read.
        places
            How many positions the new axis has, where that is known.

        Returns
        -------
        Reach
            Exact, unless there would be more than `MOST_PHASES` phases, or more than `MOST_READS` positions
            to look at, even if no pattern is followed further than to the last position: then one window
            that holds all phases, whose numbers may be fractions.
        """
        phases = len(self.windows)
        turns = phases // math.gcd(phases, advance)
        looks = [min(len(positions), 2 * phases) for positions in reads]
        if phases > 1 and (len(reads) * turns > MOST_PHASES or sum(looks) * turns > MOST_READS):
            made = len(reads) * turns

            def hull(place: int) -> Window | None:
                turn, phase = divmod(place, len(reads))
                positions, moved = reads[phase], turn * advance
                return self._hull(range(positions.start + moved, positions.stop + moved, positions.step))

            if places is not None and places < made and 2 * places * max(looks) <= MOST_READS:
                told = _told_one_by_one(hull, places, self.jump * advance / len(reads))
                if told is not None:
                    return told
            return self.covered().read(reads, advance)
        windows = [
            self._hull(range(positions.start + moved, positions.stop + moved, positions.step))
            for moved in range(0, turns * advance, advance)
            for positions in reads
        ]
        return _shortest(windows, self.advance * (turns * advance // phases))

    def window(
        self, kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0, places: int | None = None
    ) -> Reach:
        """Behind a convolution or pooling of `kernel` taps, with `pad` steps added on the left."""
        return self.read([range(-pad, dilation * (kernel - 1) + 1 - pad, dilation)], stride, places)

    def shift(self, steps: int) -> Reach:
        """With `steps` positions added on the left (cut off where negative)."""
        return self.read([range(-steps, 1 - steps)]) if steps else self

    def union(self, other: Reach, places: int | None = None) -> Reach | None:
        """The smallest that holds both.

        Parameters
        ----------
        places
            How many positions there are, where that is known. Patterns that do not repeat together before all
            of them are passed are told position by position.

        Returns
        -------
        Reach or None
            None where the two drift apart, unless slowly (by less than half of what the faster one advances)
            over a known number of positions, as behind a Resize that aligns corners; and where its numbers
            are out of bounds.
        """
        if self == other:
            return self
        phases, jump = math.lcm(len(self.windows), len(other.windows)), self.jump
        drifts = jump != other.jump
        if drifts and (places is None or not _stay_together(jump, other.jump)):
            return None
        if places is not None and (drifts or phases > places):
            jump = min(jump, other.jump, key=lambda each: (each.denominator, abs(each)))
            union = _told_one_by_one(lambda place: _hull_of([self.at(place), other.at(place)]), places, jump)
        elif phases <= MOST_PHASES:
            windows = [_hull_of([self.at(place), other.at(place)]) for place in range(phases)]
            union = _shortest(windows, self.advance * (phases // len(self.windows)))
        else:
            union = None
        if union is None and not drifts:
            union = self.covered().union(other.covered())
        return union if union is not None and union.is_told else None

    def covered(self) -> Reach:
        """One window that holds those of all phases, on a regular grid."""
        jump = self.jump
        seeing = [(place * jump, window) for place, window in enumerate(self.windows) if window is not None]
        if not seeing:
            return Reach((None,), jump)
        first = min(window[0] - place for place, window in seeing)
        last = max(window[1] - place for place, window in seeing)
        return Reach(((first, last),), jump)

    def mirrored(self, size: int) -> Reach:
        """The same with the `size` positions of the input counted from the other end."""
        windows = [window and (size - 1 - window[1], size - 1 - window[0]) for window in self.windows]
        return Reach(tuple(windows), -self.advance)

    def _hull(self, positions: range) -> Window | None:
        """What several positions see together.

        Of those that have the same phase, the first or the last sees furthest on either side.
        """
        phases = len(self.windows) // math.gcd(len(self.windows), positions.step)
        if len(positions) <= 2 * phases:
            return _hull_of([self.at(place) for place in positions])
        return _hull_of([self.at(place) for place in (*positions[:phases], *positions[-phases:])])


def _moved(window: Window | None, steps: Number) -> Window | None:
    return None if window is None else (window[0] + steps, window[1] + steps)


def _stay_together(one: Fraction, other: Fraction) -> bool:
    """Whether windows that advance by so much drift apart slowly."""
    slow, fast = sorted((abs(one), abs(other)))
    return one * other > 0 and fast < 2 * slow


def _hull_of(windows: Collection[Window | None]) -> Window | None:
    seen = [window for window in windows if window is not None]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


def _told_one_by_one(at: Callable[[int], Window | None], places: int, jump: Fraction) -> Reach | None:
    """A reach whose positions see what `at` says, and behind the last of them nothing.

    Before the first they go on as over any edge. None where there are too many.
    """
    jump = jump.limit_denominator(2 * places + 1)
    phases = -(-2 * places // jump.denominator) * jump.denominator
    if phases > MOST_PHASES or phases < 1:
        return None
    advance = int(jump * phases)
    windows = [at(place) for place in range(places)] + [None] * (phases - places)
    for place in range((places - phases) // 2, 0):
        windows[place] = _moved(at(place), advance)
    return _shortest(windows, advance)


def _shortest(windows: Sequence[Window | None], advance: Number) -> Reach:
    """The reach with these windows, told in as few phases as possible."""
    found = Reach(tuple(windows), advance)
    phases = len(windows)
    for few in range(1, phases):
        if phases % few or advance * few % phases:
            continue
        shorter = Reach(found.windows[:few], advance * few // phases)
        if all(shorter.at(place) == window for place, window in enumerate(windows)):
            return shorter
    return found


def transposed_reads(kernel: int, stride: int, dilation: int, pad: int) -> list[range]:
    """Which inputs the first outputs of a transposed convolution read: ``output = i * stride - pad + tap``.

    Returns
    -------
    list of range
        One for each of `stride` phases; empty where no tap meets it.
    """
    shared = math.gcd(stride, dilation)
    apart, step = stride // shared, dilation // shared
    reads = [range(0)] * stride
    for tap in range(min(kernel, apart)):  # the first of those that meet the same phase
        phase = (dilation * tap - pad) % stride
        last = (phase + pad - dilation * tap) // stride
        further = (kernel - 1 - tap) // apart
        reads[phase] = range(last - further * step, last + 1, step)
    return reads


def same_pad(size: int | None, kernel: int, stride: int, dilation: int, *, upper: bool) -> int:
    """Left padding that ``auto_pad`` SAME adds, so that ``ceil(size / stride)`` outputs come out.

    An unknown size is taken as a multiple of the stride. The odd step goes to the end where `upper`.
    """
    outputs = -(-size // stride) if size else None
    last = (outputs - 1) * stride - size if outputs is not None and size is not None else -stride
    total = max(last + dilation * (kernel - 1) + 1, 0)
    return total // 2 if upper else total - total // 2


@dataclass(frozen=True, slots=True)
class LayerGeometry:
    """Where a layer looks, and what it costs.

    Attributes
    ----------
    receptive_field, jump, offset
        One value per spatial axis, in input pixels: width of the widest patch that an output sees; mean
        distance between the patches of neighbouring outputs; how far the first patch reaches over the left
        edge (the right one where the axis runs backwards). None where an axis sees all or nobody knows what.
    output_shape
        Shape of the convolution's output, N C H W: numbers, or names where it depends on the input's size.
    macs
        Multiply-accumulates of the convolution at the nominal input size, for one picture.
    input_channels
        Names of its input channels where the layer reads the model's picture directly, else empty.
    global_context
        Whether it sees all of a spatial axis: besides its patch, through a gate (squeeze and excite) or a
        norm over space, or as a layer behind a global pooling, which has no patch. None where unknown.
    """

    receptive_field: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    offset: tuple[float, ...] | None
    output_shape: tuple[int | str, ...] | None
    macs: int | None
    input_channels: tuple[str, ...] = ()
    global_context: bool | None = None
