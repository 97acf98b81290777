"""Exact similarities in float64 for weights of any magnitude, used to verify faster float32 results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

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
