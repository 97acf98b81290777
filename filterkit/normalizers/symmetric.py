"""Symmetric scaling: zero is always 0.5, so that a diverging colormap shows the sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError
from filterkit.normalizers.percentile import percentiles
from filterkit.normalizers.scaling import Per, check_per, group, scale

if TYPE_CHECKING:
    from filterkit.records import FloatArray, Normalized


@dataclass(frozen=True, slots=True)
class Symmetric:
    """Map zero to 0.5 and the largest magnitude to 0 or 1, depending on its sign; all zeros become 0.5.

    Parameters
    ----------
    per
        What is scaled together: ``layer``, ``filter`` or ``kernel``.
    percentile
        Percentile of the magnitudes to use instead of the largest, above 0 and at most 100; larger ones are
        clipped. Less than 100 is robust against outliers, as in feature maps.

    Raises
    ------
    UsageError
        If an option is out of range.
    """

    per: Per = "layer"
    percentile: float = 100.0

    def __post_init__(self) -> None:
        check_per(self.per)
        if not 0 < self.percentile <= 100:
            raise UsageError(
                f"invalid percentile={self.percentile:g}", hint="it must be above 0 and at most 100"
            )

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not modified."""
        groups = group(values, self.per)
        if self.percentile == 100:
            reach = np.maximum(np.abs(groups.low), np.abs(groups.high))
            return scale(groups, -reach, reach, "symmetric about zero")
        _, reach = percentiles(group(np.abs(groups.values), self.per), 0, self.percentile)
        what = f"symmetric about zero, up to percentile {self.percentile:g} of the magnitudes,"
        return scale(groups, -reach, reach, what)
