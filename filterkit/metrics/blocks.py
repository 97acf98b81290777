"""How metrics go through a bank: whole filters, as many at a time as fit the cache, brought to one scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from filterkit.records import FilterBank

BLOCK_NUMBERS = 1 << 18
"""Numbers a block may hold: 2 MB as float64."""

LARGEST_KERNEL = 1 << 10
"""Weights of a kernel whose pattern is told, 32 × 32 say: what that takes grows with their square."""

MOST_PAIRED = 1 << 14
"""Filters that are held against each other at most: the work grows with their square, and a stranger's model
may have any number of them."""


def kernel_blocks(
    bank: FilterBank, dtype: type[np.floating] = np.float64, *, room: int = 0
) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    """Go through the kernels of whole filters, a block at a time.

    Every filter is divided by its largest |w|, so that no square of a weight is too large or too small for
    `dtype`. A filter with a weight that is not finite comes as zeros, as one that is all zero.

    Parameters
    ----------
    bank
        Weights of shape (out_channels, in_channels / groups, *kernel_shape).
    dtype
        Of the blocks.
    room
        Numbers that the caller needs per filter, besides its weights.

    Yields
    ------
    tuple
        Which filters, and their kernels in shape (filters, kernels, weights of a kernel).
    """
    filters, kernels = bank.weights.shape[:2]
    flat = bank.weights.reshape(filters, kernels, -1)
    wide = np.result_type(flat.dtype, dtype)
    peaks = filter_peaks(bank).astype(wide)
    peaks[(peaks == 0) | ~np.isfinite(peaks)] = np.nan
    step = max(1, BLOCK_NUMBERS // max(1, flat[:1].size + room))
    for start in range(0, filters, step):
        block = slice(start, start + step)
        scaled = flat[block] / peaks[block, np.newaxis, np.newaxis]
        scaled[np.isnan(peaks[block])] = 0
        yield block, scaled.astype(dtype, copy=False)


def filter_peaks(bank: FilterBank) -> NDArray[np.floating]:
    """Largest |w| of every filter, shape (out_channels,); NaN or infinite where a weight is."""
    flat = bank.weights.reshape(len(bank.weights), -1)
    peaks: NDArray[np.floating] = np.maximum(flat.max(axis=1), -flat.min(axis=1))
    return peaks


def unit_filters(bank: FilterBank) -> NDArray[np.float32]:
    """Filters as rows of length one, shape (out_channels, weights of a filter).

    A filter that is all zero, or has a weight that is not finite, is a row of zeros.
    """
    units = np.empty((len(bank.weights), bank.weights[:1].size), np.float32)
    for block, kernels in kernel_blocks(bank, np.float32):
        rows = kernels.reshape(len(kernels), -1)
        lengths = np.sqrt(np.einsum("fw,fw->f", rows, rows))
        units[block] = rows / np.where(lengths > 0, lengths, 1)[:, np.newaxis]
    return units


def cosine_blocks(units: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """|cosine| of every row to every row, some rows at a time; of a row to itself 0.

    Parameters
    ----------
    units
        From `unit_filters`.

    Yields
    ------
    tuple
        Which rows, and their cosines in shape (rows, all rows), at most 1.
    """
    step = max(1024, BLOCK_NUMBERS // max(1, len(units)))
    for start in range(0, len(units), step):
        rows = slice(start, start + step)
        cosines = np.abs(units[rows] @ units.T)
        np.minimum(cosines, 1, out=cosines)
        here = np.arange(len(cosines))
        cosines[here, here + start] = 0
        yield rows, cosines


def extent(bank: FilterBank) -> tuple[int, ...]:
    """The kernels' sides that are longer than one weight: a 3×1×3 kernel is a picture of 3×3."""
    return tuple(side for side in bank.kernel_shape if side > 1)
