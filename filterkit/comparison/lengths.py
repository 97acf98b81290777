"""How long the rows of a bank are: what every search through it needs, whatever is looked for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.comparison.exact import LARGEST, SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

KEPT = 1 << 26
"""Bytes of lengths that are kept: of 16 million kernels, ten times those of VGG16."""

BLOCK = 8192 * 9
"""Values looked at together: few enough for a processor's cache, whatever a row of them is."""


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Squared norms of the rows of a bank.

    Attributes
    ----------
    squares
        Shape (rows,), float32; NaN where float32 does not do, and for rows of zeros or with NaN or infinity.
    apart
        The numbers of the rows for which float32 does not do: very short or very long ones.
    zeros
        The numbers of the rows of zeros, which have no direction.
    not_finite
        How many rows hold NaN or infinity. These are similar to nothing.
    """

    squares: NDArray[np.float32]
    apart: NDArray[np.intp]
    zeros: NDArray[np.intp]
    not_finite: int


def lengths(bank: FloatArray) -> Lengths:
    """Measure the rows of a bank of shape (rows, ...), block by block."""
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
    """Lengths kept between searches, as they take as long to compute as the rest."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Lengths] = {}
        self._bytes = 0

    def lengths(self, key: Hashable | None, rows: FloatArray) -> Lengths:
        """Of `rows`, kept under `key` as long as there is room; None keeps nothing."""
        if key in self._kept:
            return self._kept[key]
        computed = lengths(rows)
        size = computed.squares.nbytes + computed.zeros.nbytes
        if key is not None and self._bytes + size <= KEPT:
            self._kept[key] = computed
            self._bytes += size
        return computed
