"""The spectrum of a layer's weight matrices, as WeightWatcher sums it up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import filter_peaks

if TYPE_CHECKING:
    from filterkit.records import FilterBank

SETTLED = 1e-9
"""Relative change from one look to the next at which the largest eigenvalue is taken as found."""

MOST_STEPS = 512
"""Steps at most. What is missing then is about a ten-thousandth (J. Kuczyński, H. Woźniakowski, "Estimating
the largest eigenvalue by the power and Lanczos algorithms", SIAM J. Matrix Anal. Appl. 13, 1992)."""

LOOK = 8
"""Steps between two looks at it."""


@dataclass(frozen=True)
class SpectralMetrics:
    """Norms of C. Martin, T. Peng, M. Mahoney, "Predicting trends in the quality of state-of-the-art neural
    networks without access to training or testing data", Nature Communications 2021, and of their tool
    WeightWatcher.

    A bank of kernels with n weights is n matrices, one per place in the kernel, out_channels × in_channels
    each. Its eigenvalues λ are those of all their correlation matrices together: the squares of the singular
    values.

    - ``log_norm`` = log₁₀ Σλ, where Σλ is the square of the bank's Frobenius norm.
    - ``log_spectral_norm`` = log₁₀ max λ.
    - ``stable_rank`` = Σλ / max λ, at least 1. It does not change with the layer's scale.

    These are the numbers of WeightWatcher 0.7 with ``conv2d_norm=False``; by default it halves the λ of
    convolutions, so its two logarithms are 0.301 less.

    With groups, the matrices are out_channels × in_channels / groups, as the bank holds them. The largest
    eigenvalue is found by Golub and Kahan's bidiagonalization (SIAM J. Numer. Anal. 2, 1965), for all
    matrices at once, until it changes by less than a billionth, in 512 steps at most (random
    matrices take some 70). A layer of zeros has no stable rank and no logarithm; a layer with a NaN or
    infinite weight has none of the three.
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
        # Row by row: a sum of millions in float32 would lose its fifth digit.
        total = float(np.einsum("soi,soi->so", matrices, matrices).sum(dtype=np.float64))
        largest = float(largest_eigenvalues(matrices).max())
        scale = 2 * math.log10(peak)
        values = (total / largest, math.log10(total) + scale, math.log10(largest) + scale)
        return dict(zip(self.layer_columns, values, strict=True))


def largest_eigenvalues(matrices: NDArray[np.float32]) -> NDArray[np.floating]:
    """The square of the largest singular value of every matrix, to about float32's precision.

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
    basis = np.zeros((count, steps, columns), np.float32)  # what v has been, in rows
    alphas, betas = np.zeros((2, count, steps))
    found: NDArray[np.floating] = np.zeros(count)
    for step in range(steps):
        basis[:, step] = v[:, :, 0]
        image = matrices.swapaxes(1, 2) @ (matrices @ v)
        alphas[:, step] = (v * image).sum(axis=(1, 2))
        known = basis[:, : step + 1]
        for _ in range(2):  # twice is enough to stay orthogonal
            image -= known.swapaxes(1, 2) @ (known @ image)
        lengths = np.sqrt((image * image).sum(axis=1, keepdims=True))
        betas[:, step] = lengths[:, 0, 0]
        going = lengths > 1e-6 * alphas[:, :1, np.newaxis]  # else all that v leads to is in the basis
        v = np.divide(image, lengths, out=np.zeros_like(image), where=going)
        if step % LOOK == LOOK - 1 or step == steps - 1:
            before, found = found, _ritz(alphas[:, : step + 1], betas[:, :step])
            if np.all(np.abs(found - before) <= SETTLED * found):
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
