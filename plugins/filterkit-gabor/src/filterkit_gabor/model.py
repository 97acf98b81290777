"""The Gabor functions that are fitted, their slopes, and the limits of their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PARAMETERS = ("a", "b", "fx", "fy", "x0", "y0", "log_sigma")

SMALLEST_WITH_CENTRE = 5
"""Height and width from which on a kernel has enough numbers to find the centre of its window, too."""

SMALLEST_SIGMA = 0.5


@dataclass(frozen=True, eq=False)
class Limits:
    """Where kernels of one shape lie, and what their Gabor functions may be.

    Attributes
    ----------
    x, y
        Of every column, shape (width,), and of every row, shape (height,): x runs right and y up.
    reach_x, reach_y
        How far a window's centre may lie from the middle; 0 where it stays there.
    lowest
        Frequency of half a wave over the longer side.
    widest
        The largest σ: as long as the longer side.
    """

    x: Array
    y: Array
    reach_x: float
    reach_y: float
    lowest: float
    widest: float

    @classmethod
    def of(cls, height: int, width: int) -> Limits:
        """The limits of kernels of this height and width."""
        longer, free = max(height, width), min(height, width) >= SMALLEST_WITH_CENTRE
        return cls(
            x=np.arange(width, dtype=np.float64) - (width - 1) / 2,
            y=(height - 1) / 2 - np.arange(height, dtype=np.float64),
            reach_x=width / 4 if free else 0.0,
            reach_y=height / 4 if free else 0.0,
            lowest=0.5 / longer,
            widest=float(longer),
        )

    def clip(self, parameters: Array) -> Array:
        """`parameters`, shape (n, 7), brought within the limits."""
        clipped = parameters.copy()
        f = clipped[:, 2:4]
        size = np.hypot(f[:, :1], f[:, 1:])
        f *= np.where(size < self.lowest, self.lowest / np.maximum(size, 1e-9), 1)
        np.clip(f, -0.5, 0.5, out=f)
        clipped[:, 4] = np.clip(clipped[:, 4], -self.reach_x, self.reach_x)
        clipped[:, 5] = np.clip(clipped[:, 5], -self.reach_y, self.reach_y)
        clipped[:, 6] = np.clip(clipped[:, 6], np.log(SMALLEST_SIGMA), np.log(self.widest))
        return clipped


def gabor(parameters: Array, limits: Limits) -> Array:
    """The functions with `parameters`, shape (n, 7); shape (n, height, width), each of sum zero."""
    a, b, fx, fy, x0, y0, log_sigma = parameters.T[:, :, None, None]
    x, y = limits.x - x0, limits.y[:, None] - y0
    window = np.exp(-(x**2 + y**2) / (2 * np.exp(2 * log_sigma)))
    angle = 2 * np.pi * (fx * x + fy * y)
    wave = window * (a * np.cos(angle) + b * np.sin(angle))
    shifted: Array = wave - window * (_sum(wave) / _sum(window))
    return shifted


def slopes(parameters: Array, limits: Limits) -> Array:
    """The derivatives of `gabor` by each of its parameters, shape (n, 7, height, width)."""
    a, b, fx, fy, x0, y0, log_sigma = parameters.T[:, :, None, None]
    x, y = limits.x - x0, limits.y[:, None] - y0
    variance = np.exp(2 * log_sigma)
    window = np.exp(-(x**2 + y**2) / (2 * variance))
    angle = 2 * np.pi * (fx * x + fy * y)
    cosine, sine = window * np.cos(angle), window * np.sin(angle)
    wave, turned = a * cosine + b * sine, 2 * np.pi * (b * cosine - a * sine)
    nothing = np.zeros_like(window)
    # Of the wave, and of the window, by a, b, fx, fy, x0, y0 and log σ.
    waves = (
        cosine, sine, turned * x, turned * y,
        wave * x / variance - turned * fx, wave * y / variance - turned * fy,
        wave * (x**2 + y**2) / variance,
    )  # fmt: skip
    windows = (
        nothing, nothing, nothing, nothing,
        window * x / variance, window * y / variance, window * (x**2 + y**2) / variance,
    )  # fmt: skip
    total, mean = _sum(window), _sum(wave) / _sum(window)
    found = [
        of_wave - of_window * mean - window * (_sum(of_wave) - mean * _sum(of_window)) / total
        for of_wave, of_window in zip(waves, windows, strict=True)
    ]
    if not limits.reach_x:
        found[4] = found[5] = nothing
    return np.stack(found, axis=1)


def _sum(values: Array) -> Array:
    total: Array = values.sum(axis=(-2, -1), keepdims=True)
    return total
