"""Z-score: the number of standard deviations from the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError
from filterkit.normalizers.scaling import Groups, Per, check_per, group, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, Normalized

    Floats = NDArray[np.float64]

BLOCK = 1 << 18
"""Values processed at a time."""


@dataclass(frozen=True, slots=True)
class ZScore:
    """Map the mean to 0.5, and `limit` standard deviations below and above it to 0 and 1.

    Parameters
    ----------
    limit
        Standard deviations from the mean at which values are clipped; positive.
    per
        What is scaled together: ``layer``, ``filter`` or ``kernel``.

    Raises
    ------
    UsageError
        If an option is out of range.
    """

    limit: float = 3.0
    per: Per = "layer"

    def __post_init__(self) -> None:
        check_per(self.per)
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise UsageError(f"invalid limit={self.limit:g}", hint="limit must be positive, e.g. 3")

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not modified."""
        groups = group(values, self.per)
        mean, std, unit = _moments(groups)
        largest = np.finfo(np.float64).max
        with np.errstate(over="ignore", invalid="ignore"):
            low = np.clip((mean - self.limit * std) * unit, -largest, largest)
            high = np.clip((mean + self.limit * std) * unit, -largest, largest)
        return scale(groups, low, high, f"z-score within ±{self.limit:g} σ")


def _moments(groups: Groups) -> tuple[Floats, Floats, Floats]:
    """Mean and (population) standard deviation of the finite values per group, and their unit, as float64.

    The unit is a power of two of the magnitude of the largest value, without which squares of large values
    would overflow. The mean is computed relative to the smallest value, which is exact for nearly equal
    values.
    """
    values, low = groups.values, groups.low.astype(np.float64)
    reach = np.maximum(np.abs(low), np.abs(groups.high))
    unit = np.ldexp(1.0, np.frexp(np.where(reach > 0, reach, 1.0))[1] - 1)
    if not values.size:
        return low, np.zeros_like(low), unit
    within = tuple(axis for axis in groups.axes if axis)
    step = max(1, BLOCK // values[0].size)  # a few filters at a time to limit memory

    def average(power: int, middle: Floats) -> Floats:
        sums, counts = [], []
        for start in range(0, len(values), step):
            block = slice(start, start + step)
            own = slice(None) if 0 in groups.axes else block
            where = True if groups.finite is None else groups.finite[block]
            off = values[block] / unit[own] - middle[own]
            sums.append((off**power).sum(axis=within, keepdims=True, where=where))
            counts.append(np.broadcast_to(where, off.shape).sum(axis=within, keepdims=True))
        total, count = np.concatenate(sums), np.concatenate(counts)
        if 0 in groups.axes:
            total, count = total.sum(axis=0, keepdims=True), count.sum(axis=0, keepdims=True)
        averages: Floats = total / count
        return averages

    with np.errstate(invalid="ignore"):
        smallest = low / unit
        mean = smallest + average(1, smallest)
        return mean, np.sqrt(average(2, mean)), unit
