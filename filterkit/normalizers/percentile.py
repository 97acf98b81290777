"""Percentile scaling, which is robust against outliers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import UsageError
from filterkit.normalizers.scaling import Groups, Per, check_per, group, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, Normalized


@dataclass(frozen=True, slots=True)
class Percentile:
    """Map one percentile to 0 and another to 1, and clip values outside.

    Parameters
    ----------
    low, high
        Percentiles of the finite values, with 0 <= low < high <= 100, interpolated linearly as in
        `numpy.percentile`.
    per
        What is scaled together: ``layer``, ``filter`` or ``kernel``.

    Raises
    ------
    UsageError
        If an option is out of range.
    """

    low: float = 1.0
    high: float = 99.0
    per: Per = "layer"

    def __post_init__(self) -> None:
        check_per(self.per)
        if not 0 <= self.low < self.high <= 100:
            raise UsageError(
                f"invalid percentiles low={self.low:g} and high={self.high:g}",
                hint="they must satisfy 0 <= low < high <= 100",
            )

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not modified."""
        groups = group(values, self.per)
        low, high = percentiles(groups, self.low, self.high)
        return scale(groups, low, high, f"percentiles {self.low:g} to {self.high:g}")


def percentiles(groups: Groups, low: float, high: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two percentiles of each group's finite values, float64; `numpy.nanpercentile` loops over groups."""
    values = groups.values
    if not values.size:
        return groups.low, groups.high
    inner = math.prod(values.shape[axis] for axis in groups.axes)
    finite = values if groups.finite is None else np.where(groups.finite, values, values.dtype.type(np.nan))
    ordered = np.sort(finite.reshape(-1, inner), axis=-1)  # NaN is sorted last
    count = inner - np.count_nonzero(np.isnan(ordered), axis=-1, keepdims=True)

    def at(percent: float) -> NDArray[Any]:
        place = np.maximum(count - 1, 0) * (percent / 100)
        left = np.floor(place).astype(np.intp)
        right = np.minimum(left + 1, np.maximum(count - 1, 0))
        below, above = (
            np.take_along_axis(ordered, each, axis=-1).astype(np.float64) for each in (left, right)
        )
        part = place - left
        with np.errstate(over="ignore", invalid="ignore"):  # where the difference overflows float64
            apart = above - below
            between = np.where(part < 0.5, below + apart * part, above - apart * (1 - part))
            between = np.where(np.isinf(apart), below * (1 - part) + above * part, between)
        return np.asarray(np.clip(between, below, above)).reshape(groups.low.shape)

    return at(low), at(high)
