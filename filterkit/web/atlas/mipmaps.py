"""Overviews of an atlas: each pixel is the mean of the kernels' pixels below it, 0 where there are none.

Only shades are averaged, not gaps, and each level from the exact sums of the one before: every level is what
averaging the whole picture would give.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from filterkit.web.atlas.raster import Shades
from filterkit.web.atlas.shelves import Box

Sums = tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]
"""Sum and number of the shades below each pixel."""

Region = Callable[[int, int, int, int], Shades]
"""Draws x, y, width, height."""

MOST_PIXELS = 48 << 20
"""Limit on the pixels of all overviews in memory; of larger pictures, the finest ones are drawn on demand."""

STRIP = 1 << 19
"""Pixels that are drawn at once, at least one row of what is made of them."""


def first_kept(width: int, height: int) -> int:
    """How many times the finest overview in memory is halved."""
    level = 1
    while width * height / 4**level * 4 / 3 > MOST_PIXELS:
        level += 1
    return level


def overviews(region: Region, width: int, height: int, levels: int) -> dict[int, Shades]:
    """The picture halved 1 … `levels` times, by how often, without those too large for the memory."""
    if not levels:
        return {}
    first = min(first_kept(width, height), levels)
    kept = {
        level: np.empty((-(-height >> level), -(-width >> level)), np.uint8)
        for level in range(first, levels + 1)
    }
    rows = max(1, STRIP // (width << levels)) << levels  # a strip is at least a row of the coarsest level
    for top in range(0, height, rows):
        sums = halved(region, (0, top, width, min(rows, height - top)), first)
        for level, shades in kept.items():
            if level > first:
                sums = _half(sums, level)
            part = mean(sums)
            shades[top >> level : (top >> level) + len(part)] = part
    return kept


def halved(region: Region, box: Box, times: int) -> Sums:
    """Sums over squares with sides of two to the power of `times`; `mean` makes shades of them."""
    x, y, width, height = box
    side = 1 << times
    rows = max(1, STRIP // (width * side)) * side
    strips = []
    for top in range(0, height, rows):
        shades = region(x, y + top, width, min(rows, height - top))
        sums: Sums = (shades, (shades > 0).view(np.uint8))
        for level in range(1, times + 1):
            sums = _half(sums, level)
        strips.append(sums)
    totals, counts = zip(*strips, strict=True)
    return np.concatenate(totals), np.concatenate(counts)


def mean(sums: Sums) -> Shades:
    """The nearest shade, never 0 where there is one."""
    total, count = (each.astype(np.uint32, copy=False) for each in sums)
    shades: Shades = ((2 * total + count) // np.maximum(2 * count, 1)).astype(np.uint8)
    return shades


def _half(sums: Sums, level: int) -> Sums:
    pixels = 4**level
    kinds = [np.min_scalar_type(255 * pixels), np.min_scalar_type(pixels)]
    total, count = (_quarter(each, kind) for each, kind in zip(sums, kinds, strict=True))
    return total, count


def _quarter(
    values: NDArray[np.unsignedinteger], kind: np.dtype[np.unsignedinteger]
) -> NDArray[np.unsignedinteger]:
    """Sums of squares of two by two, with zeros beyond the edges."""
    height, width = values.shape
    if height % 2 or width % 2:
        values = np.pad(values, ((0, height % 2), (0, width % 2)))
    rows = np.add(values[0::2], values[1::2], dtype=kind)
    sums: NDArray[np.unsignedinteger] = np.add(rows[:, 0::2], rows[:, 1::2], dtype=kind)
    return sums
