"""The spectrum of a layer's weight matrices, summarized as in WeightWatcher."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import filter_peaks

if TYPE_CHECKING:
    from filterkit.records import FilterBank

TOLERANCE = 1e-9
"""Relative change of the largest eigenvalue between checks at which it is considered converged."""

MOST_STEPS = 512
"""Maximum number of steps. The remaining error is about 10⁻⁴ (J. Kuczyński, H. Woźniakowski, "Estimating
the largest eigenvalue by the power and Lanczos algorithms", SIAM J. Matrix Anal. Appl. 13, 1992)."""

CHECK_EVERY = 8
"""Steps between convergence checks."""


@dataclass(frozen=True)
class SpectralMetrics:
    """Norms of C. Martin, T. Peng, M. Mahoney, "Predicting trends in the quality of state-of-the-art neural
    networks without access to training or testing data", Nature Communications 2021, and of their tool
    WeightWatcher.

    A bank of kernels with n weights is treated as n matrices of out_channels × in_channels, one per position
    in the kernel. λ are the eigenvalues of all their correlation matrices: the squared singular values.

    - ``log_norm`` = log₁₀ Σλ, where Σλ is the squared Frobenius norm of the bank.
    - ``log_spectral_norm`` = log₁₀ max λ.
    - ``stable_rank`` = Σλ / max λ, at least 1; scale-invariant.

    The values match WeightWatcher 0.7 with ``conv2d_norm=False``; by default it halves the λ of convolutions,
    which lowers both logarithms by 0.301.

    With groups, the matrices are out_channels × in_channels / groups, as stored in the bank. The largest
    eigenvalue is computed by Golub-Kahan bidiagonalization (SIAM J. Numer. Anal. 2, 1965) for all matrices at
    once, until its relative change is below 10⁻⁹, in at most 512 steps (random matrices take about 70). All
    three are undefined for an all-zero layer and for a layer with NaN or infinite weights.
    """

    layer_columns: ClassVar[tuple[str, ...]] = ("stable_rank", "log_norm", "log_spectral_norm")

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        """One number per column.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        peak = float(filter_peaks(bank).max())
        if not 0 < peak < math.inf:
            return dict.fromkeys(self.layer_columns, math.nan)
        filters, channels = bank.weights.shape[:2]
        places = np.moveaxis(bank.weights.reshape(filters, channels, -1), 2, 0)
        wide = np.result_type(bank.weights, np.float32)
        matrices = np.ascontiguousarray(np.divide(places, wide.type(peak), dtype=wide), np.float32)
        # Row by row: a sum of millions in float32 is only accurate to four digits.
        total = float(np.einsum("soi,soi->so", matrices, matrices).sum(dtype=np.float64))
        largest = float(largest_eigenvalues(matrices).max())
        scale = 2 * math.log10(peak)
        values = (total / largest, math.log10(total) + scale, math.log10(largest) + scale)
        return dict(zip(self.layer_columns, values, strict=True))


def largest_eigenvalues(matrices: NDArray[np.float32]) -> NDArray[np.floating]:
    """The squared largest singular value of each matrix, to about float32 precision.

    Parameters
    ----------
    matrices
        Shape (count, rows, columns).

    Returns
    -------
    array
        Shape (count,).
    """
    count, rows, columns = matrices.shape
    if rows < columns:
        matrices, rows, columns = matrices.swapaxes(1, 2), columns, rows
    v = np.random.default_rng(0).normal(size=(count, columns, 1)).astype(np.float32)
    v /= np.sqrt((v * v).sum(axis=1, keepdims=True))
    steps = min(columns, MOST_STEPS)
    basis = np.zeros((count, steps, columns), np.float32)  # previous v as rows
    alphas, betas = np.zeros((2, count, steps))
    found: NDArray[np.floating] = np.zeros(count)
    for step in range(steps):
        basis[:, step] = v[:, :, 0]
        image = matrices.swapaxes(1, 2) @ (matrices @ v)
        alphas[:, step] = (v * image).sum(axis=(1, 2))
        known = basis[:, : step + 1]
        for _ in range(2):  # reorthogonalizing twice is enough
            image -= known.swapaxes(1, 2) @ (known @ image)
        lengths = np.sqrt((image * image).sum(axis=1, keepdims=True))
        betas[:, step] = lengths[:, 0, 0]
        going = lengths > 1e-6 * alphas[:, :1, np.newaxis]  # else the basis spans the Krylov space
        v = np.divide(image, lengths, out=np.zeros_like(image), where=going)
        if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
            before, found = found, _ritz(alphas[:, : step + 1], betas[:, :step])
            if np.all(np.abs(found - before) <= TOLERANCE * found):
                break
    return found


def _ritz(diagonal: NDArray[np.float64], beside: NDArray[np.float64]) -> NDArray[np.floating]:
    """Largest eigenvalue of symmetric tridiagonal matrices."""
    size = diagonal.shape[1]
    matrices = np.zeros((len(diagonal), size, size))
    here = np.arange(size)
    matrices[:, here, here] = diagonal
    matrices[:, here[1:], here[:-1]] = matrices[:, here[:-1], here[1:]] = beside
    largest: NDArray[np.floating] = np.linalg.eigvalsh(matrices)[:, -1]
    return largest
