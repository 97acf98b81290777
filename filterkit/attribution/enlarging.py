"""Enlarge maps of a layer to the size of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.records import FloatArray


def enlarged(values: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """A map, shape (h, w), bilinearly at another size, shape (1, H, W); the corners of pixels are aligned.

    Raises
    ------
    UsageError
        The map does not have two axes.
    """
    if values.ndim != 2:
        raise UsageError(
            f"the layer's maps have {values.ndim} axes of positions, not two",
            hint="choose another layer, or the method gradient",
        )
    for axis, wanted in enumerate(size):
        have = values.shape[axis]
        places = np.clip((np.arange(wanted) + 0.5) * have / wanted - 0.5, 0, have - 1)
        lower = places.astype(int)
        upper = np.minimum(lower + 1, have - 1)
        share = (places - lower).reshape([-1 if each == axis else 1 for each in (0, 1)])
        values = (1 - share) * values.take(lower, axis) + share * values.take(upper, axis)
    return values[None].astype(np.float32)
