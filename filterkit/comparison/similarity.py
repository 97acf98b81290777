"""Exact similarities in float64, and the norms of rows that every search needs."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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


DECIMALS = 12
"""Decimals to which similarities are rounded, so that a copy stored in float32 at another scale, which
differs by 1e-15, ties with the original."""

SMALLEST, LARGEST = 1e-30, 1e30
"""Range of squared norms within which float32 neither underflows nor overflows significantly."""


def units(rows: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows scaled to unit norm, and their norms; rows of zeros and rows with NaN or infinity become NaN.

    Parameters
    ----------
    rows
        Shape (count, values), of any floating-point dtype.

    Returns
    -------
    unit
        Shape (count, values), float64.
    norms
        Shape (count,).
    """
    doubles = np.asarray(rows, np.float64)
    peaks = np.abs(doubles).max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(all="ignore"):  # 0/0, inf/inf, norms that overflow
        scaled = doubles / peaks
        # Each row is summed in a fixed order, so that copies have bit-identical norms.
        lengths = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
        return scaled / lengths, (peaks * lengths)[:, 0]


def cosines(left: FloatArray, right: FloatArray) -> NDArray[np.float64]:
    """Cosines between corresponding rows of `left` and `right`; NaN if one has no direction."""
    return rounded((units(left)[0] * units(right)[0]).sum(axis=1))


def rounded(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarities rounded to `DECIMALS` places, within [-1, 1], and without negative zeros."""
    return np.clip(np.round(similarities, DECIMALS) + 0.0, -1.0, 1.0)


def rounding_error(values: int) -> float:
    """Upper bound of the float32 error of a cosine, or its square, of vectors of `values` values.

    The error of a dot product is at most `values` times the unit roundoff, relative to the product of the
    norms (N. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). A cosine consists of
    three dot products, its square has twice the error of the numerator, and the value that it is compared
    with is rounded to float32, too.
    """
    return float(4 * (values + 4) * np.finfo(np.float32).eps / 2)
