"""The Gabor function, sampled."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Phase = Literal["even", "odd"]

BANDWIDTH = 1.5
"""Octaves between the half-amplitude points of a filter's spectrum; typical of simple cells in the cat."""


def gabor_filters(
    frequency: float, angles: NDArray[np.float64], size: int, phase: Phase
) -> NDArray[np.float32]:
    """One Gabor filter per angle.

    A plane wave under a round Gaussian window (J. G. Daugman, "Uncertainty relation for resolution in space,
    spatial frequency, and orientation optimized by two-dimensional visual cortical filters", J. Opt. Soc.
    Am. A 2(7), 1985, eq. 3, with equal axes)::

        g(x, y) = exp(-(x² + y²) / (2 σ²)) · wave(2π f (x cos θ + y sin θ))

    with x to the right and y up. The wave is a cosine (even) or a sine (odd). σ follows from the frequency,
    so that the bandwidth is `BANDWIDTH` octaves b: σ f = sqrt(ln 2 / 2) / π · (2ᵇ + 1) / (2ᵇ - 1).

    A windowed cosine has a non-zero mean: a multiple of the window is subtracted to make the sum zero, so
    uniform areas give no response. Every filter is scaled to an L2 norm of 1.

    Parameters
    ----------
    frequency
        f, in cycles per pixel; above 0, below 0.5.
    angles
        θ in radians, shape (n,): the direction of the wave, counter-clockwise from the x axis.
    size
        Height and width in pixels, odd.
    phase
        ``"even"`` detects lines, ``"odd"`` edges.

    Returns
    -------
    numpy.ndarray
        Shape (n, size, size), float32.
    """
    sigma = np.sqrt(np.log(2) / 2) / np.pi * (2**BANDWIDTH + 1) / (2**BANDWIDTH - 1) / frequency
    x = np.arange(size) - size // 2
    y = -x[:, np.newaxis]  # rows go down, y goes up
    window = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    theta = angles[:, np.newaxis, np.newaxis]
    along = 2 * np.pi * frequency * (x * np.cos(theta) + y * np.sin(theta))
    filters = window * (np.cos(along) if phase == "even" else np.sin(along))
    if phase == "even":
        filters -= window * filters.sum(axis=(1, 2), keepdims=True) / window.sum()
    norm = np.sqrt((filters**2).sum(axis=(1, 2), keepdims=True))
    scaled: NDArray[np.float64] = filters / norm
    return scaled.astype(np.float32)
