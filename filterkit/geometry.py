"""Where layers look and what they cost: arithmetic along one axis, products of sizes, and the record of both.

Formulas after A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks",
Distill 2019, extended to branches of different alignment and to upsampling.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction

Phase = tuple[int, int, int]
"""An output index, and the first and last input index that it reads."""

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


@dataclass(frozen=True, slots=True)
class Reach:
    """What positions along one axis see: position ``i`` sees the input from ``i * jump - offset`` on.

    Attributes
    ----------
    field
        Width of the patch that one position sees, in input steps.
    jump
        Distance between the patches of neighbouring positions.
    offset
        How far the patch of position 0 reaches over the left edge.
    """

    field: Fraction = Fraction(1)
    jump: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def window(self, kernel: int, stride: int = 1, dilation: int = 1, pad: int = 0) -> Reach:
        """Behind a convolution or pooling of `kernel` taps, with `pad` steps added on the left."""
        return Reach(
            self.field + self.jump * dilation * (kernel - 1),
            self.jump * stride,
            self.offset + self.jump * pad,
        )

    @property
    def is_told(self) -> bool:
        """Whether its numbers are small enough to mean something; those of a hostile graph grow with it."""
        parts = (self.field, self.jump, self.offset)
        return all(max(abs(part.numerator), part.denominator) <= LARGEST for part in parts)

    def shift(self, steps: int) -> Reach:
        """With `steps` positions added on the left (cut off where negative)."""
        return Reach(self.field, self.jump, self.offset + self.jump * steps)

    def union(self, other: Reach) -> Reach | None:
        """The smallest that holds both, or None where they drift apart or its numbers are out of bounds."""
        if self.jump != other.jump:
            return None
        offset = max(self.offset, other.offset)
        right = max(self.field - self.offset, other.field - other.offset)
        union = Reach(offset + right, self.jump, offset)
        return union if union.is_told else None

    def resampled(self, ratio: Fraction, phases: Iterable[Phase]) -> Reach:
        """Behind an upsampling, one position of which is `ratio` positions here; `phases` is one period.

        The patches of neighbours no longer lie evenly then, so the result holds the patches of all phases and
        its numbers may be fractions.
        """
        jump = self.jump * ratio
        lefts = [jump * index - (self.jump * first - self.offset) for index, first, _ in phases]
        rights = [self.jump * last - self.offset + self.field - jump * index for index, _, last in phases]
        return Reach(max(lefts) + max(rights), jump, max(lefts))


def transposed_phases(kernel: int, stride: int, dilation: int, pad: int) -> list[Phase]:
    """Which inputs an output of a transposed convolution reads: ``output = i * stride - pad + tap``."""
    found: dict[int, Phase] = {}
    for tap in range(kernel):
        index = (dilation * tap - pad) % stride
        read = (index + pad - dilation * tap) // stride
        _, first, last = found.get(index, (index, read, read))
        found[index] = (index, min(first, read), max(last, read))
    return list(found.values())


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
        One value per spatial axis, in input pixels: width of the patch one output sees; distance between
        the patches of neighbouring outputs; how far the first patch reaches over the left edge. None where
        unbounded or unknown.
    output_shape
        Shape of the convolution's output, N C H W: numbers, or names where it depends on the input's size.
    macs
        Multiply-accumulates of the convolution at the nominal input size, for one picture.
    input_channels
        Names of its input channels where the layer reads the model's picture directly, else empty.
    global_context
        Whether it sees the whole picture besides, through a gate (squeeze and excite) or a norm over space;
        None where unknown.
    """

    receptive_field: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    offset: tuple[float, ...] | None
    output_shape: tuple[int | str, ...] | None
    macs: int | None
    input_channels: tuple[str, ...] = ()
    global_context: bool | None = None
