"""Receptive fields and costs of layers: arithmetic along one axis, products of sizes, and a record of both.

Formulas after A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, extended to branches of different alignment, to upsampling phase by phase, and to flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

MOST_AXES = 64
"""Maximum number of axes of a NumPy array."""
LARGEST = 2**63 - 1
"""The largest size that a file can declare, and the largest integer in a database."""


def product(sizes: Collection[int], most: int = LARGEST) -> int:
    """The number of elements of an array of these sizes, at a cost that does not depend on the sizes.

    A file can declare any number of arbitrary sizes; their exact product could take hours to compute.

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
"""The first and the last input position in a receptive field."""

MOST_PHASES = 1 << 12
"""Limit on the phases before the pattern repeats; Resizes to odd sizes multiply them."""
MOST_READS = 1 << 16
"""Limit on the positions examined to compute one period of a layer."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The receptive fields of the positions along one axis, on an axis of the input: a periodic pattern.

    After convolutions and poolings there is one window, which moves by `advance` with every position. After
    an upsampling, neighbours see windows of different widths (or nothing, in the gaps of a transposed
    convolution): there is one window per *phase*, and the pattern repeats after all of them.

    Attributes
    ----------
    windows
        The windows of the first positions, on an input without edges; None for an empty one. The window of
        position ``i + len(windows)`` is that of position ``i``, moved by `advance`.
    advance
        An integer, like the windows, unless there are more than `MOST_PHASES` phases; negative if the axis
        runs backwards.
    """

    windows: tuple[Window | None, ...] = ((0, 0),)
    advance: Number = 1

    @property
    def field(self) -> Number:
        """Width of the widest window, in input steps; 0 if all are empty."""
        return max((last - first + 1 for first, last in filter(None, self.windows)), default=0)

    def widest(self, places: int | None, size: int | None) -> Number:
        """Width of the widest window, given the number of positions (`places`) and the input's `size`.

        That is `field` if the pattern repeats among them. If not, as after a Resize that aligns corners, some
        phases may not occur: only windows inside the input count, if there are any.
        """
        if len(self.windows) == 1 or places is None or size is None or places >= 2 * len(self.windows):
            return self.field
        there = [window for window in map(self.at, range(places)) if window is not None]
        inside = [window for window in there if window[0] >= 0 and window[1] < size]
        return max((last - first + 1 for first, last in inside or there), default=0)

    @property
    def jump(self) -> Fraction:
        """Mean distance between the windows of neighbouring positions over one period."""
        return Fraction(self.advance) / len(self.windows)

    @property
    def offset(self) -> Number:
        """How far the window of the first position with one extends beyond the left edge."""
        seeing = ((place, window) for place, window in enumerate(self.windows) if window is not None)
        return next((place * self.jump - window[0] if place else -window[0] for place, window in seeing), 0)

    @property
    def is_bounded(self) -> bool:
        """Whether its numbers are within bounds; those of a malicious graph grow with its size."""
        numbers = (self.advance, *(end for window in self.windows if window for end in window))
        return all(abs(number.numerator) <= LARGEST >= number.denominator for number in numbers)

    def at(self, position: int) -> Window | None:
        """The window of one position."""
        turn, phase = divmod(position, len(self.windows))
        return _moved(self.windows[phase], turn * self.advance)

    def read(self, reads: Sequence[range], advance: int = 1, places: int | None = None) -> Reach:
        """The reach after an operator that reads several positions at a time.

        Parameters
        ----------
        reads
            The positions of this axis that the first positions of the new axis read, one range per phase.
        advance
            How much further the next `len(reads)` positions read.
        places
            Number of positions on the new axis, if known.

        Returns
        -------
        Reach
            Exact, unless there would be more than `MOST_PHASES` phases or `MOST_READS` positions to examine,
            even when limited to the known positions: then one window that covers all phases, whose numbers
            may be fractions.
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
                listed = _listed(hull, places, self.jump * advance / len(reads))
                if listed is not None:
                    return listed
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
        """The reach after a convolution or pooling of `kernel` taps, with `pad` steps added on the left."""
        return self.read([range(-pad, dilation * (kernel - 1) + 1 - pad, dilation)], stride, places)

    def shift(self, steps: int) -> Reach:
        """The reach with `steps` positions added on the left (removed if negative)."""
        return self.read([range(-steps, 1 - steps)]) if steps else self

    def union(self, other: Reach, places: int | None = None) -> Reach | None:
        """The smallest reach that covers both.

        Parameters
        ----------
        places
            Number of positions, if known. If the common period is longer, the windows are listed position by
            position.

        Returns
        -------
        Reach or None
            None if the two drift apart, unless slowly (the faster one advances less than twice as far) over a
            known number of positions, as after a Resize that aligns corners; and None if its numbers are out
            of bounds.
        """
        if self == other:
            return self
        phases, jump = math.lcm(len(self.windows), len(other.windows)), self.jump
        drifts = jump != other.jump
        if drifts and (places is None or not _stay_together(jump, other.jump)):
            return None
        if places is not None and (drifts or phases > places):
            jump = min(jump, other.jump, key=lambda each: (each.denominator, abs(each)))
            union = _listed(lambda place: _hull_of([self.at(place), other.at(place)]), places, jump)
        elif phases <= MOST_PHASES:
            windows = [_hull_of([self.at(place), other.at(place)]) for place in range(phases)]
            union = _shortest(windows, self.advance * (phases // len(self.windows)))
        else:
            union = None
        if union is None and not drifts:
            union = self.covered().union(other.covered())
        return union if union is not None and union.is_bounded else None

    def covered(self) -> Reach:
        """A reach of one window that covers those of all phases, on a regular grid."""
        jump = self.jump
        seeing = [(place * jump, window) for place, window in enumerate(self.windows) if window is not None]
        if not seeing:
            return Reach((None,), jump)
        first = min(window[0] - place for place, window in seeing)
        last = max(window[1] - place for place, window in seeing)
        return Reach(((first, last),), jump)

    def mirrored(self, size: int) -> Reach:
        """The reach with the `size` positions of the input counted from the other end."""
        windows = [window and (size - 1 - window[1], size - 1 - window[0]) for window in self.windows]
        return Reach(tuple(windows), -self.advance)

    def _hull(self, positions: range) -> Window | None:
        """The window that covers those of several positions.

        Among positions of the same phase, the first and the last extend furthest.
        """
        phases = len(self.windows) // math.gcd(len(self.windows), positions.step)
        if len(positions) <= 2 * phases:
            return _hull_of([self.at(place) for place in positions])
        return _hull_of([self.at(place) for place in (*positions[:phases], *positions[-phases:])])


def _moved(window: Window | None, steps: Number) -> Window | None:
    return None if window is None else (window[0] + steps, window[1] + steps)


def _stay_together(one: Fraction, other: Fraction) -> bool:
    """Whether windows with these advances drift apart slowly."""
    slow, fast = sorted((abs(one), abs(other)))
    return one * other > 0 and fast < 2 * slow


def _hull_of(windows: Collection[Window | None]) -> Window | None:
    seen = [window for window in windows if window is not None]
    return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else None


def _listed(at: Callable[[int], Window | None], places: int, jump: Fraction) -> Reach | None:
    """A reach whose positions have the windows given by `at`, and empty ones after the last.

    Before the first position the pattern continues as beyond any edge. None if there are too many positions.
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
    """The reach with these windows, in as few phases as possible."""
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
    """Inputs that the first outputs of a transposed convolution read: ``output = i * stride - pad + tap``.

    Returns
    -------
    list of range
        One for each of `stride` phases; empty if no tap reaches it.
    """
    shared = math.gcd(stride, dilation)
    apart, step = stride // shared, dilation // shared
    reads = [range(0)] * stride
    for tap in range(min(kernel, apart)):  # the first of the taps that reach the same phase
        phase = (dilation * tap - pad) % stride
        last = (phase + pad - dilation * tap) // stride
        further = (kernel - 1 - tap) // apart
        reads[phase] = range(last - further * step, last + 1, step)
    return reads


def same_pad(size: int | None, kernel: int, stride: int, dilation: int, *, upper: bool) -> int:
    """Left padding that ``auto_pad`` SAME adds, so that there are ``ceil(size / stride)`` outputs.

    An unknown size is assumed to be a multiple of the stride. With `upper`, an odd step is added at the end.
    """
    outputs = -(-size // stride) if size else None
    last = (outputs - 1) * stride - size if outputs is not None and size is not None else -stride
    total = max(last + dilation * (kernel - 1) + 1, 0)
    return total // 2 if upper else total - total // 2


@dataclass(frozen=True, slots=True)
class LayerGeometry:
    """The receptive field of a layer, and its cost.

    Attributes
    ----------
    receptive_field, jump, offset
        One value per spatial axis, in input pixels: width of the widest receptive field of an output; mean
        distance between those of neighbouring outputs; how far the first one extends beyond the left edge
        (the right one if the axis runs backwards). None if an axis sees the whole input, or is unknown.
    output_shape
        Shape of the convolution's output, N C H W: numbers, or names for sizes that depend on the input.
    macs
        Multiply-accumulates of the convolution at the nominal input size, for one picture.
    input_channels
        Names of its input channels if the layer reads the model's picture directly, else empty.
    global_context
        Whether it depends on the whole of a spatial axis: besides its receptive field, through a gate
        (squeeze and excite) or a spatial normalization, or because it follows a global pooling. None if
        unknown.
    """

    receptive_field: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    offset: tuple[float, ...] | None
    output_shape: tuple[int | str, ...] | None
    macs: int | None
    input_channels: tuple[str, ...] = ()
    global_context: bool | None = None
