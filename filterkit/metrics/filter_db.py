"""What CNN Filter DB says of a layer: how many of its kernels are nearly zero, how varied, how orthogonal."""

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
class FilterDbMetrics:
    """Metrics of P. Gavrikov, J. Keuper, "CNN Filter DB", CVPR 2022.

    With the layer's kernels as the rows of K (kernels × weights of a kernel), and F its filters, of length
    one:

    - ``sparsity``: share of the kernels whose largest |w| is below a hundredth of the layer's. 0 for a layer
      of zeros, where nothing is smaller than the rest.
    - ``variance_entropy`` = −Σ p log₁₀ p, where p = s² / Σs² and s are the singular values of K minus the
      mean of its rows. 0 where all kernels are multiples of one pattern, log₁₀ of the weights of a kernel
      where all patterns are as frequent. Where K lacks ranks, those have p = 0 and add nothing. Not defined
      where all kernels are equal, as a single one is: there is no variance to divide.
    - ``variance_entropy_normalized`` = variance_entropy / T(n), with the entropy of random kernels T(n) =
      1.2618047 / (1 + exp(−0.88767525·(log₂ n − 2.30436435))) − 0.31050834 and n the layer's filters. From
      about 1 on, a layer is as random as when it was initialized. Only for 3×3 kernels, to which T was
      fitted, and from three filters on, where T is positive. Axes of one weight do not count: a 1×3×3
      kernel is 3×3.
    - ``orthogonality`` = 1 − Σ |F·Fᵀ − I| / (n·(n − 1)). 1 where filters are orthogonal to each other, 0
      where they are copies. Not defined for one filter, nor for more than 16,384. One that is all zero
      counts as orthogonal to all.

    Where a weight is NaN or infinite, only `sparsity` is defined: such a kernel is not small, and the
    threshold is taken from the others.
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
    if total <= count * np.finfo(np.float64).eps:  # weights run up to 1 here: this is rounding
        return float("nan")
    shares: NDArray[np.float64] = variances[variances > 0] / total
    return float(-(shares * np.log10(shares)).sum())


def _variances(weights: FloatArray, scale: float) -> NDArray[np.floating]:
    """s² of kernels (filters, channels, weights) less their mean, by the smaller Gram matrix."""
    filters, channels, size = weights.shape
    step = max(1, BLOCK_WEIGHTS // weights[0].size)
    blocks = [weights[start : start + step] for start in range(0, filters, step)]
    divisor = np.float64(scale)  # float64, and so is what it divides
    sums = [(np.ones(channels) @ (block / divisor)).sum(axis=0) for block in blocks]
    mean = np.sum(sums, axis=0) / (filters * channels)
    if filters * channels < size:
        off = (weights / divisor - mean).reshape(-1, size)
        gram = off @ off.T
    else:
        gram = np.zeros((size, size))
        for block in blocks:
            off = block / divisor - mean
            if channels < size:  # a product of its own for every filter would be larger than the filter
                off = off.reshape(1, -1, size)
            gram += (off.swapaxes(1, 2) @ off).sum(axis=0)
    return np.maximum(np.linalg.eigvalsh(gram), 0)


def _threshold(bank: FilterBank) -> float:
    """T(n), NaN where it is not defined."""
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
