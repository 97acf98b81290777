"""Shared by the normalizers: groups of values that are scaled together, and linear scaling to [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from filterkit.errors import UsageError, closest
from filterkit.records import Normalized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

Per = Literal["layer", "filter", "kernel"]
"""What is scaled together: the whole layer, each filter, or each kernel."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Values and the range of each group.

    Attributes
    ----------
    values
        Shape (filters, kernels, *kernel_shape), at least float32.
    per
        What forms a group.
    axes
        The axes of `values` within a group.
    low, high
        Smallest and largest finite value of each group, shaped to broadcast against `values`; NaN for a
        group without finite values.
    finite
        Which values are finite, or None if all are.
    """

    values: FloatArray
    per: Per
    axes: tuple[int, ...]
    low: FloatArray
    high: FloatArray
    finite: NDArray[np.bool_] | None


def check_per(per: str) -> None:
    """Raise UsageError unless `per` is one of ``layer``, ``filter`` and ``kernel``."""
    if per not in get_args(Per):
        raise UsageError(f"'per' cannot be '{per}'", hint=closest(per, get_args(Per)))


def group(values: FloatArray, per: Per) -> Groups:
    """Compute the range of each group of `values`, shape (filters, kernels, *kernel_shape)."""
    # Without a mask if everything is finite, the common case: minimum and maximum are NaN or infinite as soon
    # as any value is.
    values = np.asarray(values)
    values = values.astype(np.result_type(values.dtype, np.float32), copy=False)
    axes = tuple(range(get_args(Per).index(per), values.ndim))
    low = values.min(axis=axes, keepdims=True, initial=np.inf)
    high = values.max(axis=axes, keepdims=True, initial=-np.inf)
    if np.isfinite(low).all() and np.isfinite(high).all():
        return Groups(values, per, axes, low, high, None)
    finite = np.isfinite(values)
    low = values.min(axis=axes, keepdims=True, initial=np.inf, where=finite)
    high = values.max(axis=axes, keepdims=True, initial=-np.inf, where=finite)
    empty = low > high
    low[empty] = high[empty] = np.nan
    return Groups(values, per, axes, low, high, finite)


def scale(groups: Groups, low: NDArray[Any], high: NDArray[Any], what: str) -> Normalized:
    """Map `low` to 0 and `high` to 1 linearly, group by group, and clip values outside.

    If `low` equals `high`, smaller values become 0, larger ones 1 and the value itself 0.5, so that a
    constant is middle gray. NaN is drawn like zero, or as 0.5 if zero is out of range; infinities become 0
    and 1.

    Parameters
    ----------
    groups
        The values; not modified.
    low, high
        One value per group, shaped to broadcast against the values; NaN for a group without finite values.
        If they are float64, so is the arithmetic.
    what
        Short description of the normalizer for the summary.
    """
    values = groups.values
    # Limits that are values themselves have their dtype; limits computed from many values are float64.
    one = np.result_type(values, low, high).type(1)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.isinf(high - low)  # scale down limits whose difference overflows the dtype
        factor = np.where(far, one / 4, one) if far.any() else one
        start, span = low * factor, high * factor - low * factor
        flat = span == 0
        out = (values * factor if far.any() else values) - start
        out /= np.where(flat, one, span)
        zero = np.where(flat, np.where(low == 0, 0.5, np.nan), -start / np.where(flat, one, span))
    if flat.any():
        out = np.where(flat, 0.5 + 0.5 * np.sign(out), out)
    zero = np.where((low <= 0) & (high >= 0), zero, np.nan)
    if groups.finite is not None:
        of_nan = np.where(np.isnan(zero), 0.5, zero)
        out = np.where(groups.finite, out, np.where(np.isnan(values), of_nan, values > 0))
    np.clip(out, 0, 1, out=out)
    non_finite = 0 if groups.finite is None else int(values.size - np.count_nonzero(groups.finite))
    one_range = low.size == 1 and bool(np.isfinite(low).all())
    one_zero = zero.size > 0 and bool((zero == zero.flat[0]).all())
    return Normalized(
        values=out.astype(np.float32, copy=False),
        vmin=float(low.item()) if one_range else None,
        vmax=float(high.item()) if one_range else None,
        centre=float(zero.flat[0]) if one_zero else None,
        non_finite=non_finite,
        summary=_summary(what, groups.per, flat, non_finite),
    )


def _summary(what: str, per: Per, flat: NDArray[np.bool_], non_finite: int) -> str:
    words = [f"{what} over the layer" if per == "layer" else f"{what} per {per}"]
    if flat.any():
        count = int(np.count_nonzero(flat))
        words.append("constant" if flat.size == 1 else f"{count:,} of {flat.size:,} {per}s constant")
    if non_finite:
        words.append(f"{non_finite:,} NaN or infinite")
    return "; ".join(words)
