"""Metrics of a whole layer: redundancy of its filters, and those of CNN Filter DB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.basic import BLOCK_WEIGHTS, sparsity
from filterkit.metrics.blocks import MOST_PAIRED, cosine_blocks, extent, filter_peaks, unit_filters

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray


@dataclass(frozen=True)
class RedundancyMetric:
    """``redundancy``: the largest |w·v| / (‖w‖‖v‖) of a filter w and another filter v of its layer, 0 to 1.

    1 means a copy up to scale and sign (cosine similarity of filters as a measure of redundancy: Singh et
    al., "Leveraging Filter Correlations for Deep Model Compression", WACV 2020). Biases are ignored.

    It is 0 for an all-zero filter. It is undefined for the only filter of a layer, for filters with NaN or
    infinite weights, which are also ignored by the others, and in layers of more than 16,384 filters. Cosines
    are computed in float32 and exact to about a millionth.
    """

    columns: ClassVar[tuple[str, ...]] = ("redundancy",)

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One float64 array of shape (out_channels,).

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        largest = np.full(len(bank.weights), np.nan)
        if 1 < len(largest) <= MOST_PAIRED:
            for rows, cosines in cosine_blocks(unit_filters(bank)):
                largest[rows] = cosines.max(axis=1)
        largest[~np.isfinite(filter_peaks(bank))] = np.nan
        return {"redundancy": largest}


@dataclass(frozen=True)
class FilterDbMetrics:
    """Metrics of P. Gavrikov, J. Keuper, "CNN Filter DB", CVPR 2022.

    With the layer's kernels as the rows of K (kernels × weights per kernel), and its filters, of unit length,
    as the rows of F:

    - ``sparsity``: share of the kernels whose largest |w| is below a hundredth of the layer's. 0 for an
      all-zero layer.
    - ``variance_entropy`` = −Σ p log₁₀ p, where p = s² / Σs² and s are the singular values of K minus the
      mean of its rows. 0 if all kernels are multiples of one pattern, log₁₀ of the number of weights per
      kernel if all patterns are equally frequent. Zero singular values contribute nothing. Undefined if all
      kernels are equal (or there is only one), as there is no variance.
    - ``variance_entropy_normalized`` = variance_entropy / T(n), with the entropy of random kernels T(n) =
      1.2618047 / (1 + exp(−0.88767525·(log₂ n − 2.30436435))) − 0.31050834 and n the number of filters.
      From about 1, a layer is as random as at initialization. Defined only for 3×3 kernels, to which T was
      fitted, and for at least three filters, where T is positive. Axes of length 1 are ignored: a 1×3×3
      kernel counts as 3×3.
    - ``orthogonality`` = 1 − Σ |F·Fᵀ − I| / (n·(n − 1)). 1 if the filters are orthogonal to each other, 0
      if they are copies. Undefined for one filter and for more than 16,384. An all-zero filter counts as
      orthogonal to all others.

    If a weight is NaN or infinite, only `sparsity` is defined: its kernel does not count as small, and the
    threshold is computed from the finite weights.
    """

    layer_columns: ClassVar[tuple[str, ...]] = (
        "sparsity",
        "variance_entropy",
        "variance_entropy_normalized",
        "orthogonality",
    )

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        """One number per column.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        entropy = normalized = orthogonality = np.nan
        peak = float(filter_peaks(bank).max())
        if np.isfinite(peak):
            entropy = _variance_entropy(bank, peak)
            normalized = entropy / _threshold(bank)
            orthogonality = _orthogonality(bank)
        values = (float(sparsity(bank.weights).mean()), entropy, normalized, orthogonality)
        return dict(zip(self.layer_columns, values, strict=True))


def _variance_entropy(bank: FilterBank, peak: float) -> float:
    filters, channels = bank.weights.shape[:2]
    count = filters * channels
    variances = _variances(bank.weights.reshape(filters, channels, -1), peak or 1.0)
    total = variances.sum()
    if total <= count * np.finfo(np.float64).eps:  # weights are at most 1 here, so this is rounding error
        return float("nan")
    shares: NDArray[np.float64] = variances[variances > 0] / total
    return float(-(shares * np.log10(shares)).sum())


def _variances(weights: FloatArray, scale: float) -> NDArray[np.floating]:
    """s² of kernels (filters, channels, weights) minus their mean, from the smaller Gram matrix."""
    filters, channels, size = weights.shape
    step = max(1, BLOCK_WEIGHTS // weights[0].size)
    blocks = [weights[start : start + step] for start in range(0, filters, step)]
    divisor = np.float64(scale)  # promotes to float64
    sums = [(np.ones(channels) @ (block / divisor)).sum(axis=0) for block in blocks]
    mean = np.sum(sums, axis=0) / (filters * channels)
    if filters * channels < size:
        off = (weights / divisor - mean).reshape(-1, size)
        gram = off @ off.T
    else:
        gram = np.zeros((size, size))
        for block in blocks:
            off = block / divisor - mean
            if channels < size:  # one product per filter would be larger than the filter
                off = off.reshape(1, -1, size)
            gram += (off.swapaxes(1, 2) @ off).sum(axis=0)
    return np.maximum(np.linalg.eigvalsh(gram), 0)


def _threshold(bank: FilterBank) -> float:
    """T(n), or NaN if undefined."""
    if extent(bank) != (3, 3) or bank.out_channels < 3:
        return float("nan")
    grown = np.exp(-0.88767525 * (np.log2(bank.out_channels) - 2.30436435))
    return float(1.2618047 / (1 + grown) - 0.31050834)


def _orthogonality(bank: FilterBank) -> float:
    count = len(bank.weights)
    if not 2 <= count <= MOST_PAIRED:
        return float("nan")
    similar = sum(float(cosines.sum(dtype=np.float64)) for _, cosines in cosine_blocks(unit_filters(bank)))
    return 1 - similar / (count * (count - 1))
