"""Symmetric scaling: zero is always 0.5, so that a diverging colormap shows the sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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

    Raises
    ------
    UsageError
        If `per` is not one of these.
    """

    per: Per = "layer"

    def __post_init__(self) -> None:
        check_per(self.per)

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not modified."""
        groups = group(values, self.per)
        reach = np.maximum(np.abs(groups.low), np.abs(groups.high))
        return scale(groups, -reach, reach, "symmetric about zero")
