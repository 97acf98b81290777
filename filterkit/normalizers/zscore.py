"""Z-score: how many standard deviations a value lies from the mean."""

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
class ZScore:
    """Map the mean to 0.5, and `limit` standard deviations below and above it to 0 and 1.

    Parameters
    ----------
    limit
        Standard deviations from the mean at which values are clipped, above 0.
    per
        What is scaled together: ``layer``, ``filter`` or ``kernel``.

    Raises
    ------
    UsageError
        If an option is out of its range.
    """

    limit: float = 3.0
    per: Per = "layer"

    def __post_init__(self) -> None:
        check_per(self.per)
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise UsageError(f"limit={self.limit:g} does not fit", hint="choose a limit above 0, e.g. 3")

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not changed."""
        groups = group(values, self.per)
        mean, std, unit = _moments(groups)
        largest = np.finfo(groups.values.dtype).max
        with np.errstate(over="ignore"):
            low = np.clip((mean - self.limit * std) * unit, -largest, largest)
            high = np.clip((mean + self.limit * std) * unit, -largest, largest)
        return scale(groups, low, high, f"z-score within ±{self.limit:g} σ")


def _moments(groups: Groups) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean and (population) standard deviation of every group's finite values, and their unit.

    The unit is the group's largest magnitude: without it the squares of large values overflow. Sums run
    in float64; no array of all values is made in it.
    """
    reach = np.maximum(np.abs(groups.low), np.abs(groups.high))
    unit = np.where(reach > 0, reach, groups.values.dtype.type(1))
    where: Any = True if groups.finite is None else groups.finite

    def average(values: NDArray[Any]) -> NDArray[Any]:
        total = values.sum(axis=groups.axes, dtype=np.float64, keepdims=True, where=where)
        count = np.broadcast_to(where, values.shape).sum(axis=groups.axes, keepdims=True)
        return np.asarray(total / count)

    with np.errstate(invalid="ignore"):
        deviations = groups.values / unit
        mean = average(deviations)
        deviations -= mean.astype(deviations.dtype)
        std = np.sqrt(average(np.square(deviations, out=deviations)))
    return mean, std, unit.astype(np.float64)
