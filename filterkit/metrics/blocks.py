"""Iterate over a bank in blocks of whole, normalized filters that fit the CPU cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from filterkit.records import FilterBank

BLOCK_NUMBERS = 1 << 18
"""Maximum number of values in a block: 2 MB as float64."""

LARGEST_KERNEL = 1 << 10
"""Maximum number of weights of a kernel whose pattern is analysed (32 × 32); the cost is quadratic."""

MOST_PAIRED = 1 << 14
"""Maximum number of filters that are compared pairwise, as the cost is quadratic and models are untrusted."""


def kernel_blocks(
    bank: FilterBank, dtype: type[np.floating] = np.float64, *, room: int = 0
) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    """Iterate over the kernels of whole filters in blocks.

    Each filter is divided by its largest |w|, so that squares neither overflow nor underflow `dtype`. A
    filter with a non-finite weight is returned as zeros, like one that is all zero.

    Parameters
    ----------
    bank
        Weights of shape (out_channels, in_channels / groups, *kernel_shape).
    dtype
        Dtype of the blocks.
    room
        Values that the caller needs per filter in addition to its weights.

    Yields
    ------
    tuple
        Slice of filters, and their kernels in shape (filters, kernels, weights per kernel).
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
    """Largest |w| of each filter, shape (out_channels,); NaN or infinite if a weight is."""
    flat = bank.weights.reshape(len(bank.weights), -1)
    peaks: NDArray[np.floating] = np.maximum(flat.max(axis=1), -flat.min(axis=1))
    return peaks


def unit_filters(bank: FilterBank) -> NDArray[np.float32]:
    """Filters as rows of unit length, shape (out_channels, weights per filter).

    A filter that is all zero or has a non-finite weight becomes a row of zeros.
    """
    units = np.empty((len(bank.weights), bank.weights[:1].size), np.float32)
    for block, kernels in kernel_blocks(bank, np.float32):
        rows = kernels.reshape(len(kernels), -1)
        lengths = np.sqrt(np.einsum("fw,fw->f", rows, rows))
        units[block] = rows / np.where(lengths > 0, lengths, 1)[:, np.newaxis]
    return units


def cosine_blocks(units: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """|cosine| between all rows, in blocks of rows; 0 between a row and itself.

    Parameters
    ----------
    units
        From `unit_filters`.

    Yields
    ------
    tuple
        Slice of rows, and their cosines in shape (rows, all rows), at most 1.
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
    """The kernel sides longer than 1: a 3×1×3 kernel is treated as 3×3."""
    return tuple(side for side in bank.kernel_shape if side > 1)
