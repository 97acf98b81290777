"""Plain statistics of a filter's weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray

BLOCK_WEIGHTS = 1 << 18  # 2 MB as float64: fits the CPU cache and bounds the memory for huge layers
FEW_WEIGHTS = 64
"""Maximum size of a kernel for which NumPy finds the largest weight faster position by position."""
CANCELLED = 1e-3
"""Relative variance below which E[w²] - E[w]² would suffer from cancellation."""


@dataclass(frozen=True)
class BasicMetrics:
    """Mean, spread, range, norms and sparsity of every filter, without its bias.

    - ``mean``, ``std`` (population), ``min``, ``max`` over all weights of the filter.
    - ``l1_norm`` = Σ|w|, ``l2_norm`` = √Σw².
    - ``sparsity``: share of the filter's kernels whose largest |w| is below a hundredth of the layer's
      largest |w| (the threshold of CNN Filter DB, Gavrikov & Keuper, CVPR 2022). The sparsity of an all-zero
      layer is 0, because nothing is below its threshold of 0.

    Sums are computed in float64. For a filter with NaN or infinite weights, the results follow IEEE
    arithmetic and may be NaN; its sparsity is defined, because the threshold is computed from finite weights
    only and a kernel that is not finite does not count as small.
    """

    columns: ClassVar[tuple[str, ...]] = ("mean", "std", "min", "max", "l1_norm", "l2_norm", "sparsity")

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One float64 array of shape (out_channels,) per column.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        weights = bank.weights
        filters = len(weights)
        flat = weights.reshape(filters, -1)
        measured = {column: np.empty(filters) for column in self.columns}
        step = max(1, BLOCK_WEIGHTS // max(1, flat.shape[1]))
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, filters, step):
                block = slice(start, start + step)
                # Minimum and maximum use the stored dtype: half the bytes, and exact.
                stored = flat[block]
                measured["min"][block] = stored.min(axis=1)
                measured["max"][block] = stored.max(axis=1)
                values = stored.astype(np.float64)
                measured["mean"][block] = mean = values.mean(axis=1)
                squares = np.einsum("fw,fw->f", values, values)
                measured["l2_norm"][block] = np.sqrt(squares)
                measured["std"][block] = _spread(values, mean, squares / values.shape[1])
                measured["l1_norm"][block] = np.abs(values, out=values).sum(axis=1)
        measured["sparsity"] = sparsity(weights)
        return dict(measured)


def _spread(
    values: NDArray[np.float64], mean: NDArray[np.float64], mean_square: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standard deviation of each row, with a second pass where it is small relative to the mean."""
    variance = mean_square - mean**2
    close = variance < CANCELLED * mean_square
    if close.any():
        off = values[close] - mean[close, np.newaxis]
        variance[close] = np.einsum("fw,fw->f", off, off) / values.shape[1]
    return np.sqrt(variance)


def sparsity(weights: FloatArray) -> NDArray[np.float64]:
    """Share of each filter's kernels whose largest |w| is below 1 % of the layer's largest finite |w|.

    Parameters
    ----------
    weights
        Shape (filters, kernels, *kernel_shape).

    Returns
    -------
    array
        Shape (filters,).
    """
    filters, kernels = weights.shape[:2]
    flat = weights.reshape(filters, kernels, -1)
    peaks = np.empty((filters, kernels))  # float64: a hundredth may underflow float16
    step = max(1, BLOCK_WEIGHTS // max(1, flat[:1].size))
    for start in range(0, filters, step):
        block = slice(start, start + step)
        sizes = np.abs(flat[block])
        few = sizes.shape[2] <= FEW_WEIGHTS
        peaks[block] = reduce(np.maximum, np.moveaxis(sizes, 2, 0)) if few else sizes.max(axis=2)
    largest = float(peaks.max())
    if not np.isfinite(largest):
        finite = weights[np.isfinite(weights)]
        largest = float(np.abs(finite).max()) if finite.size else 0.0
    small: NDArray[np.float64] = (peaks < largest / 100).mean(axis=1)
    return small
