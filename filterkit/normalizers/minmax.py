"""Min-max: the smallest value is black, the largest white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filterkit.normalizers.scaling import Per, check_per, group, scale

if TYPE_CHECKING:
    from filterkit.records import FloatArray, Normalized


@dataclass(frozen=True, slots=True)
class MinMax:
    """Map the smallest value to 0 and the largest to 1; constants are mapped to 0.5.

    Parameters
    ----------
    per
        What is scaled together: ``layer`` keeps filters comparable, ``filter`` and ``kernel`` reveal the
        structure of weak ones.

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
        return scale(groups, groups.low, groups.high, "min-max")
