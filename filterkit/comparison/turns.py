"""The turns of a kernel: the rotations and reflections of the plane that bring its grid onto itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from filterkit.records import FloatArray

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Turn:
    """Flip left-right if `flipped`, then rotate counter-clockwise by `quarters` quarters of a circle.

    ``str`` gives its name: ``identity``, ``@90``, ``@180``, ``@270``, and ``@0f`` to ``@270f``, flipped.
    """

    flipped: bool = False
    quarters: int = 0

    def __str__(self) -> str:
        if self == Turn():
            return IDENTITY
        return f"@{90 * self.quarters}{'f' if self.flipped else ''}"

    @property
    def inverse(self) -> Turn:
        """The turn that undoes this one; a flipped one undoes itself."""
        return self if self.flipped else Turn(quarters=-self.quarters % 4)

    def apply(self, kernels: FloatArray) -> FloatArray:
        """Turn an array of any shape in its last two axes, height and width; of one axis, flip that.

        Width comes last, and a kernel of three dimensions keeps its depth: depth is often time.
        """
        flipped = np.flip(kernels, -1) if self.flipped else kernels
        return np.rot90(flipped, self.quarters, axes=(-2, -1)) if self.quarters else flipped


def turns_of(kernel_shape: Sequence[int], *, flip: bool, rotate: bool) -> tuple[Turn, ...]:
    """The turns that keep `kernel_shape`, the identity first.

    All eight for a square with both; without its quarter turns for another rectangle. One dimension has
    nothing to rotate.
    """
    quarters: Sequence[int] = (0,)
    if rotate and len(kernel_shape) > 1:
        quarters = range(4) if kernel_shape[-1] == kernel_shape[-2] else (0, 2)
    return tuple(
        Turn(flipped, each) for flipped in ((False, True) if flip else (False,)) for each in quarters
    )
