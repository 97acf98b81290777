"""Similarities in double precision, of weights of any magnitude: what quicker arithmetic is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

DECIMALS = 12
"""Similarities are rounded to so many places: a copy that float32 stored at another scale differs by 1e-15
and is as similar as the original."""

SMALLEST, LARGEST = 1e-30, 1e30
"""Squared norms between which float32 neither underflows nor overflows in a way that matters."""


def units(rows: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of norm 1, and the norms they had; rows of zeros, NaN or infinity become NaN.

    Parameters
    ----------
    rows
        Shape (count, values), of any floating type.

    Returns
    -------
    unit
        Shape (count, values), float64.
    norms
        Shape (count,).
    """
    doubles = np.asarray(rows, np.float64)
    peaks = np.abs(doubles).max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(all="ignore"):  # zeros by zero, infinities by infinities, norms beyond float64
        scaled = doubles / peaks
        # Summed row by row in an order that depends on nothing else: copies come out equal to the last bit.
        lengths = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
        return scaled / lengths, (peaks * lengths)[:, 0]


def cosines(left: FloatArray, right: FloatArray) -> NDArray[np.float64]:
    """Cosine of each row of `left` with the row of `right` in its place; NaN where one has no direction."""
    return rounded((units(left)[0] * units(right)[0]).sum(axis=1))


def rounded(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarities to `DECIMALS` places, never beyond 1 or -1, and never a negative zero."""
    return np.clip(np.round(similarities, DECIMALS) + 0.0, -1.0, 1.0)


def rounding_error(values: int) -> float:
    """How far a cosine, or its square, of `values` values each may be off in float32, at the very most.

    Sums of products are off by `values` times half the distance from 1 to the next number, relative to the
    product of the norms (N. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); a cosine is
    made of three of them, and its square has twice the error of the numerator. What it is compared with is
    rounded to float32, too.
    """
    return float(4 * (values + 4) * np.finfo(np.float32).eps / 2)
