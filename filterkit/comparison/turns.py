"""The turns of a kernel: rotations and reflections of the plane that map its grid to itself.

The plane consists of height and width, the last two axes. A 1-D kernel is treated as one of height 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from filterkit.records import FloatArray

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Turn:
    """Flip left-right if `flipped`, then rotate counter-clockwise by `quarters` times 90 degrees.

    ``str`` gives its name: ``identity``, ``@90``, ``@180``, ``@270``, and ``@0f`` to ``@270f``, flipped.

    Attributes
    ----------
    row
        Whether kernels have one axis, the width, which a rotation by 180 degrees reverses.
    """

    flipped: bool = False
    quarters: int = 0
    row: bool = False

    def __str__(self) -> str:
        if not (self.flipped or self.quarters):
            return IDENTITY
        return f"@{90 * self.quarters}{'f' if self.flipped else ''}"

    @property
    def inverse(self) -> Turn:
        """The inverse turn; a flipped turn is its own inverse."""
        return self if self.flipped else replace(self, quarters=-self.quarters % 4)

    def apply(self, kernels: FloatArray) -> FloatArray:
        """Turn an array in its last two axes, height and width, or a `row` in its last axis.

        3-D kernels are not turned along depth, which is often time.
        """
        if self.row:
            return np.flip(kernels, -1) if self.flipped != (self.quarters == 2) else kernels
        flipped = np.flip(kernels, -1) if self.flipped else kernels
        return np.rot90(flipped, self.quarters, axes=(-2, -1)) if self.quarters else flipped


def turns_of(kernel_shape: Sequence[int], *, flip: bool, rotate: bool) -> tuple[Turn, ...]:
    """The turns that preserve `kernel_shape`, the identity first.

    With both `flip` and `rotate`, all eight for a square, and four (without quarter turns) for other
    rectangles and for 1-D kernels.
    """
    row = len(kernel_shape) == 1
    square = not row and kernel_shape[-1] == kernel_shape[-2]
    quarters: Sequence[int] = (0,) if not rotate else range(4) if square else (0, 2)
    return tuple(
        Turn(flipped, each, row) for flipped in ((False, True) if flip else (False,)) for each in quarters
    )
