"""Norms of the rows of a bank, which every search through it needs."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.comparison.exact import LARGEST, SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

CACHE_BYTES = 1 << 26
"""Maximum size of the cache in bytes: norms of 16 million kernels, ten times those of VGG16."""

BLOCK = 8192 * 9
"""Values processed at a time: few enough for the CPU cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Squared norms of the rows of a bank.

    Attributes
    ----------
    squares
        Shape (rows,), float32; NaN for rows outside the range of float32, all-zero rows, and rows with NaN or
        infinity.
    apart
        Indices of rows whose squared norm is outside the range of float32.
    zeros
        Indices of all-zero rows, which have no direction.
    not_finite
        Number of rows with NaN or infinity, which are similar to nothing.
    """

    squares: NDArray[np.float32]
    apart: NDArray[np.intp]
    zeros: NDArray[np.intp]
    not_finite: int


def lengths(bank: FloatArray) -> Lengths:
    """Compute the norms of the rows of a bank of shape (rows, ...), block by block."""
    rows = bank.reshape(len(bank), -1)
    squares = np.empty(len(rows), np.float32)
    apart, zeros, not_finite = [np.empty(0, np.intp)], [np.empty(0, np.intp)], 0
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block, own = rows[start : start + step], squares[start : start + step]
        with np.errstate(all="ignore"):
            single = np.asarray(block, np.float32)
            np.einsum("ij,ij->i", single, single, out=own)
        unusual = np.flatnonzero(~((own > SMALLEST) & (own < LARGEST)))
        if unusual.size:
            finite = np.isfinite(block[unusual]).all(axis=1)
            not_finite += int(np.count_nonzero(~finite))
            directed = (block[unusual] != 0).any(axis=1)
            apart.append(start + unusual[finite & directed])
            zeros.append(start + unusual[~directed])
            own[unusual] = np.nan
    return Lengths(squares, np.concatenate(apart), np.concatenate(zeros), not_finite)


class LengthsCache:
    """Caches norms across searches, as they take as long to compute as the search itself."""

    def __init__(self) -> None:
        self._cached: dict[Hashable, Lengths] = {}
        self._bytes = 0

    def lengths(self, key: Hashable | None, rows: FloatArray) -> Lengths:
        """Norms of `rows`, cached under `key` while there is room; not cached if `key` is None."""
        if key in self._cached:
            return self._cached[key]
        computed = lengths(rows)
        size = computed.squares.nbytes + computed.zeros.nbytes
        if key is not None and self._bytes + size <= CACHE_BYTES:
            self._cached[key] = computed
            self._bytes += size
        return computed
