"""The Gabor functions that are fitted, their derivatives, and the limits of their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PARAMETERS = ("a", "b", "fx", "fy", "x0", "y0", "log_sigma")

SMALLEST_WITH_CENTRE = 5
"""Smallest side of a kernel with enough weights to fit the centre of the window as well."""

SMALLEST_SIGMA = 0.5


@dataclass(frozen=True, eq=False)
class Limits:
    """Coordinates of kernels of one shape, and the limits of their Gabor functions.

    Attributes
    ----------
    x, y
        Of every column, shape (width,), and of every row, shape (height,): x to the right and y up.
    reach_x, reach_y
        Largest distance of a window's centre from the middle; 0 if it is fixed there.
    lowest
        Frequency of half a wave over the longer side.
    widest
        The largest σ: the longer side.
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
        """`parameters`, shape (n, 7), clipped to the limits."""
        clipped = parameters.copy()
        f = clipped[:, 2:4]
        size = np.hypot(f[:, :1], f[:, 1:])
        f *= np.where(size < self.lowest, self.lowest / np.maximum(size, 1e-9), 1)
        np.clip(f, -0.5, 0.5, out=f)
        clipped[:, 4] = np.clip(clipped[:, 4], -self.reach_x, self.reach_x)
        clipped[:, 5] = np.clip(clipped[:, 5], -self.reach_y, self.reach_y)
        clipped[:, 6] = np.clip(clipped[:, 6], np.log(SMALLEST_SIGMA), np.log(self.widest))
        return clipped


@dataclass(frozen=True, eq=False)
class _Parts:
    """The parts of the functions.

    Attributes
    ----------
    x, y
        Coordinates relative to the centre, shapes (n, 1, width) and (n, height, 1).
    window, cosine, sine
        The window, and both windowed waves, shape (n, height, width).
    """

    x: Array
    y: Array
    window: Array
    cosine: Array
    sine: Array

    @classmethod
    def of(cls, parameters: Array, limits: Limits) -> _Parts:
        """Computed from factors along x and along y, which needs few exponentials, sines and cosines."""
        _, _, fx, fy, x0, y0, log_sigma = parameters.T[:, :, None, None]
        x, y = limits.x - x0, limits.y[:, None] - y0
        falloff = -1 / (2 * np.exp(2 * log_sigma))
        window_x, window_y = np.exp(falloff * x**2), np.exp(falloff * y**2)
        angle_x, angle_y = 2 * np.pi * fx * x, 2 * np.pi * fy * y
        cos_x, sin_x = window_x * np.cos(angle_x), window_x * np.sin(angle_x)
        cos_y, sin_y = window_y * np.cos(angle_y), window_y * np.sin(angle_y)
        return cls(x, y, window_x * window_y, cos_x * cos_y - sin_x * sin_y, sin_x * cos_y + cos_x * sin_y)


def gabor(parameters: Array, limits: Limits) -> Array:
    """The functions with `parameters`, shape (n, 7); shape (n, height, width), each with sum zero."""
    parts = _Parts.of(parameters, limits)
    a, b = parameters.T[:2, :, None, None]
    wave: Array = a * parts.cosine + b * parts.sine
    wave -= parts.window * (_sum(wave) / _sum(parts.window))
    return wave


def slopes(parameters: Array, limits: Limits) -> Array:
    """The derivatives of `gabor` with respect to its parameters, shape (n, 7, height, width)."""
    a, b, fx, fy, _, _, log_sigma = parameters.T[:, :, None, None]
    parts = _Parts.of(parameters, limits)
    x, y, window, cosine, sine = parts.x, parts.y, parts.window, parts.cosine, parts.sine
    wave, turned = a * cosine + b * sine, 2 * np.pi * (b * cosine - a * sine)
    total = _sum(window)
    mean = _sum(wave) / total
    left = wave - window * mean  # the derivatives through the window
    per_variance = np.exp(-2 * log_sigma)
    found = np.empty((len(parameters), len(PARAMETERS), *window.shape[1:]))
    found[:, 0], found[:, 1] = cosine, sine
    np.multiply(turned, x, out=found[:, 2])
    np.multiply(turned, y, out=found[:, 3])
    moving = left * per_variance
    found[:, 4] = moving * x - turned * fx
    found[:, 5] = moving * y - turned * fy
    found[:, 6] = moving * (x**2 + y**2)
    found -= window[:, None] * (_sum(found) / total[:, None])
    if not limits.reach_x:
        found[:, 4:6] = 0
    return found


def _sum(values: Array) -> Array:
    total: Array = values.sum(axis=(-2, -1), keepdims=True)
    return total
