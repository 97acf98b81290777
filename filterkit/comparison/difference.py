"""Differences between the filters of two banks, per pair and in total."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from filterkit.short_reprs import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

    Floats = NDArray[np.float64]

BLOCK = 1 << 18
"""Values processed at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One value per pair of filters ``a`` and ``b``, shape (filters,); NaN if undefined.

    Attributes
    ----------
    cosine
        ``a·b / (|a| |b|)``; 1 if both are zero, 0 if one is.
    relative_l2
        ``|b - a| / |a|``; 0 if both are zero, undefined if only `a` is.
    max_abs
        Largest ``|b - a|``.
    scale
        The factor that best maps `a` to `b` (least squares): ``a·b / |a|²``; undefined if `a` is zero.
    changed
        Whether ``|b - a|`` is more than the tolerance times ``|a|``.
    sign_flips
        Number of weights that are positive in one and negative in the other.
    finite
        Whether all weights of both are finite. If not, only `sign_flips` and `changed` are defined;
        `changed` then means that the weights are not identical.
    squares_a, squares_b, squares_apart
        ``|a|²``, ``|b|²`` and ``|b - a|²``; 0 if not finite.
    """

    cosine: Floats
    relative_l2: Floats
    max_abs: Floats
    scale: Floats
    changed: NDArray[np.bool_]
    sign_flips: NDArray[np.int64]
    finite: NDArray[np.bool_]
    squares_a: Floats
    squares_b: Floats
    squares_apart: Floats

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class Total:
    """The difference of whole banks, over the filters that are finite in both; NaN if undefined.

    Attributes
    ----------
    cosine, relative_l2, max_abs
        As in `Difference`, over all weights together.
    cosine_scaled
        Cosine after multiplying each filter of ``a`` by its scale: 1 if the banks are equal up to one factor
        per filter.
    cosine_min
        Smallest cosine of a pair.
    changed, sign_flips
        Number of changed filters, and of weights with flipped sign.
    scale, scale_min, scale_max
        Median, minimum and maximum of the defined scales.
    not_finite
        Number of pairs with NaN or infinity.
    """

    cosine: float
    cosine_scaled: float
    cosine_min: float
    relative_l2: float
    max_abs: float
    changed: int
    sign_flips: int
    scale: float
    scale_min: float
    scale_max: float
    not_finite: int


def difference(a: FloatArray, b: FloatArray, tolerance: float = 0.0) -> Difference:
    """Compare each filter of `b` with that of `a`, both of shape (filters, ...), in float64."""
    step = max(1, BLOCK // max(1, math.prod(a.shape[1:])))
    blocks = [_block(a[i : i + step], b[i : i + step], tolerance) for i in range(0, len(a), step)]
    names = [field.name for field in fields(Difference)]
    return Difference(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})


def total(each: Difference) -> Total:
    """Aggregate the differences of all pairs."""
    a, b, apart = each.squares_a.sum(), each.squares_b.sum(), each.squares_apart.sum()
    cosines = np.where(each.finite, each.cosine, 0.0)
    products = (cosines * np.sqrt(each.squares_a * each.squares_b)).sum()
    explained = (cosines**2 * each.squares_b).sum()
    undefined = 0.0 if each.finite.any() else math.nan
    low, middle, high = _spread(each.scale)
    return Total(
        cosine=undefined + float(_cosine(products, a, b)),
        cosine_scaled=undefined + math.sqrt(_cosine(explained, b or a, b)),
        cosine_min=_spread(each.cosine)[0],
        relative_l2=undefined + math.sqrt(_ratio(apart, a, b, 0.0)),
        max_abs=_spread(each.max_abs)[2],
        changed=int(each.changed.sum()),
        sign_flips=int(each.sign_flips.sum()),
        scale=middle,
        scale_min=low,
        scale_max=high,
        not_finite=int((~each.finite).sum()),
    )


def _spread(values: Floats) -> tuple[float, float, float]:
    """Minimum, median and maximum of the defined values."""
    known = values[~np.isnan(values)]
    return (
        (float(known.min()), float(np.median(known)), float(known.max())) if known.size else (math.nan,) * 3
    )


def _block(a: FloatArray, b: FloatArray, tolerance: float) -> Difference:
    x = a.reshape(len(a), -1).astype(np.float64)
    y = b.reshape(len(b), -1).astype(np.float64)
    finite: NDArray[np.bool_] = np.logical_and(np.isfinite(x).all(axis=1), np.isfinite(y).all(axis=1))
    same = ((x == y) | (np.isnan(x) & np.isnan(y))).all(axis=1)
    flips = np.count_nonzero(np.sign(x) * np.sign(y) < 0, axis=1)
    x[~finite] = y[~finite] = 0
    apart = y - x
    products, squares_a, squares_b, squares_apart = (
        np.einsum("fw,fw->f", *pair) for pair in ((x, y), (x, x), (y, y), (apart, apart))
    )
    undefined = np.where(finite, 0.0, np.nan)
    return Difference(
        cosine=undefined + _cosine(products, squares_a, squares_b),
        relative_l2=undefined + np.sqrt(_ratio(squares_apart, squares_a, squares_b, 0.0)),
        max_abs=undefined + np.abs(apart).max(axis=1),
        scale=undefined + _ratio(products, squares_a, squares_b, np.nan),
        changed=np.where(finite, squares_apart > tolerance**2 * squares_a, ~same),
        sign_flips=flips,
        finite=finite,
        squares_a=squares_a,
        squares_b=squares_b,
        squares_apart=squares_apart,
    )


def _cosine(product: Floats, squares_a: Floats, squares_b: Floats) -> Floats:
    lengths = np.sqrt(squares_a * squares_b)
    cosine = np.divide(product, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.where((squares_a == 0) & (squares_b == 0), 1.0, np.clip(cosine, -1.0, 1.0))


def _ratio(value: Floats, squares_a: Floats, squares_b: Floats, of_zeros: float) -> Floats:
    """`value` over ``|a|²``; `of_zeros` if both are zero, NaN if only `a` is."""
    without = np.where(squares_b == 0, of_zeros, np.nan)
    return np.divide(value, squares_a, out=without, where=squares_a > 0)
