"""The metric ``gabor``: the Gabor function that fits each filter best, and how well it fits."""

from __future__ import annotations

from collections.abc import Sequence

import filterkit
import numpy as np
from numpy.typing import NDArray

from filterkit_gabor.fitting import fit_gabors

Array = NDArray[np.float64]

COLUMNS = ("gabor_orientation", "gabor_frequency", "gabor_phase", "gabor_explained")

SMALLEST_SIDE, LARGEST_SIDE = 3, 21
"""Pixels. Fits to a thousand kernels take 0.2 s for 3 × 3, 3 s for 21 × 21, 150 s for 101 × 101."""

SMALLEST_VARIATION = 1e-6
"""Standard deviation, of patterns of weights up to 1, below which they count as constant."""


class GaborMetric:
    """Fits a Gabor function to one kernel of every filter, or to its pattern if the layer reads a picture.

    `pattern` selects what is fitted; `Fit` defines the columns.
    """

    columns = COLUMNS

    def measure(self, bank: filterkit.FilterBank) -> dict[str, NDArray[np.generic]]:
        """The columns; NaN for kernels without two axes, with sides outside 3 to 21, constant, or not finite.

        Axes of length one do not count: a 1 × 5 × 5 kernel is treated as 5 × 5.
        """
        columns = {name: np.full(bank.out_channels, np.nan) for name in COLUMNS}
        shape = fitted_shape(bank.kernel_shape)
        if shape is None:
            return dict(columns)
        # Squares of large float64 values overflow; only the shape of a filter matters.
        weights = bank.weights.reshape(*bank.weights.shape[:2], *shape).astype(np.float64)
        largest = np.abs(weights).max(axis=(1, 2, 3))  # NaN if any of them is
        usable = np.flatnonzero(np.isfinite(largest) & (largest > 0))
        patterns = pattern(weights[usable] / largest[usable, None, None, None], bool(bank.input_channels))
        varied = patterns.std(axis=(1, 2)) > SMALLEST_VARIATION
        if varied.any():
            fit = fit_gabors(patterns[varied])
            for name, values in zip(
                COLUMNS, (fit.orientation, fit.frequency, fit.phase, fit.explained), strict=True
            ):
                columns[name][usable[varied]] = values
        return dict(columns)


def fitted_shape(kernel_shape: Sequence[int]) -> tuple[int, int] | None:
    """Height and width of kernels without axes of length one; None if they are not fitted."""
    shape = tuple(side for side in kernel_shape if side > 1)
    if len(shape) != 2 or min(shape) < SMALLEST_SIDE or max(shape) > LARGEST_SIDE:
        return None
    return shape


def pattern(weights: Array, of_picture: bool) -> Array:
    """The spatial pattern of each filter that a Gabor function is fitted to.

    For a layer that reads a picture, this is what the channels have in common: the first principal component
    of the filter's kernels, each minus its mean, so a filter of any colour has one; its sign is that of the
    strongest channel. For any other layer it is the kernel with the largest variance.

    Parameters
    ----------
    weights
        Shape (filters, kernels, height, width).

    Returns
    -------
    ndarray
        Shape (filters, height, width), each of mean 0.
    """
    filters, kernels, height, width = weights.shape
    flat = weights.reshape(filters, kernels, height * width)
    flat = flat - flat.mean(axis=2, keepdims=True)
    if of_picture and kernels > 1:
        _, axes = np.linalg.eigh(flat @ flat.swapaxes(1, 2))
        mix = axes[:, :, -1]
        strongest = np.take_along_axis(mix, np.abs(mix).argmax(axis=1)[:, None], axis=1)
        chosen = np.einsum("fk,fkp->fp", mix * np.sign(strongest), flat)
    else:
        chosen = flat[np.arange(filters), (flat**2).sum(axis=2).argmax(axis=1)]
    patterns: Array = chosen.reshape(filters, height, width)
    return patterns
