"""The geometry of tiles: kernels of any rank as pictures, and pictures in rows and columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.records import FloatArray

WIDEST = 3.0
"""A full rectangle of tiles up to this many times wider than high (or higher than wide) is preferred to a
squarer arrangement with empty places."""


def as_pictures(kernels: FloatArray, axes: int) -> FloatArray:
    """Kernels of any rank as pictures: 1-D kernels one pixel high, 3-D kernels with slices side by side.

    Parameters
    ----------
    kernels
        Shape (..., *kernel_shape).
    axes
        Number of leading axes before those of the kernel.

    Returns
    -------
    ndarray
        Shape (..., height, width).
    """
    import numpy as np

    before, (*slices, height, width) = kernels.shape[:axes], (1, 1, *kernels.shape[axes:])
    depth = math.prod(slices)
    stacked = kernels.reshape(*before, depth, height, width)
    return np.moveaxis(stacked, -3, -2).reshape(*before, height, depth * width)


def arrange(count: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns for `count` tiles of `height` × `width` pixels, nearly square.

    A rectangle without empty places is preferred if its sides differ by a factor of at most `WIDEST`; of two
    equally good arrangements, the wider one.
    """

    def stretch(columns: int) -> float:
        """Deviation from a square in either direction, with one pixel between tiles."""
        return abs(math.log(columns * (width + 1) / (math.ceil(count / columns) * (height + 1))))

    divisors = [n for n in range(1, count + 1) if count % n == 0 and stretch(n) <= math.log(WIDEST) + 1e-9]
    columns = min(divisors or range(1, count + 1), key=lambda n: (round(stretch(n), 9), -n))
    return math.ceil(count / columns), columns


def near_square(tiles: FloatArray) -> FloatArray:
    """Tiles, shape (count, height, width, ...), in rows and columns as given by `arrange`; see `in_rows`."""
    count, height, width = tiles.shape[:3]
    return in_rows(tiles, arrange(count, height, width)[1])


def in_rows(tiles: FloatArray, columns: int) -> FloatArray:
    """Tiles, shape (count, ...), in rows: (rows, columns, ...); places after the last tile are zeros."""
    import numpy as np

    rows = math.ceil(len(tiles) / columns)
    places = np.zeros((rows * columns, *tiles.shape[1:]), tiles.dtype)
    places[: len(tiles)] = tiles
    return places.reshape(rows, columns, *tiles.shape[1:])
