"""A dense bank of Gabor functions, tried on many kernels at once.

A round window and a wave are products of one factor along x and one along y, so all combinations of
them are tried with two matrix products, whatever the size of the bank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filterkit_gabor.model import PARAMETERS, SMALLEST_SIGMA, Limits

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

WIDER = 1.6
"""Ratio of successive σ; centres are one σ apart, frequencies 1 / (5 σ)."""

AT_ONCE = 60_000
"""Products in memory at a time: few, so that they stay in the processor's cache."""

STARTS = 4
"""Number of widths that are refined."""


def best_of_dense_bank(kernels: Array, limits: Limits) -> Array:
    """The parameters that explain the most variance, for each of the most promising widths σ.

    Parameters
    ----------
    kernels
        Shape (kernels, height, width), each of mean 0 and sum of squares 1.

    Returns
    -------
    ndarray
        Shape (kernels, at most `STARTS`, 7): parameters of `gabor`.
    """
    longest = max(limits.widest / 2, SMALLEST_SIGMA * WIDER)
    count = 1 + int(np.log(longest / SMALLEST_SIGMA) / np.log(WIDER))
    found = [_best(kernels, limits, SMALLEST_SIGMA * WIDER**number) for number in range(count)]
    parameters = np.stack([each for each, _ in found], axis=1)
    explained = np.stack([each for _, each in found], axis=1)
    order = np.argsort(-explained, axis=1)[:, :STARTS]
    return np.take_along_axis(parameters, order[:, :, None], axis=1)


class _Axis:
    """All factors of one width along one axis: every centre with every frequency.

    Attributes
    ----------
    centre, frequency
        Of each factor.
    still
        Index of the factor with the same centre and zero frequency.
    """

    def __init__(self, places: Array, reach: float, frequencies: Array, sigma: float) -> None:
        steps = int(reach / sigma)
        centres = np.arange(-steps, steps + 1) * sigma
        self.centre = np.repeat(centres, len(frequencies))
        self.frequency = np.tile(frequencies, len(centres))
        none = int(np.argmin(np.abs(frequencies)))
        self.still = np.arange(len(self.centre)) // len(frequencies) * len(frequencies) + none
        distance = places - self.centre[:, None]
        window = np.exp(-(distance**2) / (2 * sigma**2))
        wave = np.exp(2j * np.pi * self.frequency[:, None] * distance)
        self.factors = window * wave
        self.sum = self.factors.sum(axis=1)
        self.squares = [(window**2 * wave**power).sum(axis=1) for power in (0, 1, 2)]


def _best(kernels: Array, limits: Limits, sigma: float) -> tuple[Array, Array]:
    """The best parameters with this σ per kernel, shape (kernels, 7), and the variance they explain."""
    number = max(3, int(np.ceil(0.5 * 5 * sigma)))
    positive = np.linspace(0, 0.5, number + 1)
    across = _Axis(limits.x, limits.reach_x, positive, sigma)
    up = _Axis(limits.y, limits.reach_y, np.concatenate([-positive[:0:-1], positive]), sigma)
    bank = _Bank(up, across, limits.lowest)
    step = max(1, AT_ONCE // bank.size)
    parts = [bank.fit(kernels[begin : begin + step]) for begin in range(0, len(kernels), step)]
    best, a, b, explained = (np.concatenate(each) for each in zip(*parts, strict=True))
    rows, columns = np.unravel_index(best.astype(np.intp), bank.shape)
    parameters = np.empty((len(kernels), len(PARAMETERS)))
    parameters[:, 0], parameters[:, 1] = a, b
    parameters[:, 2], parameters[:, 3] = across.frequency[columns], up.frequency[rows]
    parameters[:, 4], parameters[:, 5] = across.centre[columns], up.centre[rows]
    parameters[:, 6] = np.log(sigma)
    return parameters, explained


class _Bank:
    """All combinations of factors along y and along x, and their products with each other."""

    def __init__(self, up: _Axis, across: _Axis, lowest: float) -> None:
        self.up, self.across = up, across
        self.shape = (len(up.centre), len(across.centre))
        self.size = self.shape[0] * self.shape[1]
        total = np.outer(up.sum[up.still], across.sum[across.still]).real
        self.mean = np.outer(up.sum, across.sum) / total  # of cosine and sine, in units of the window
        none, once, twice = (np.outer(y, x) for y, x in zip(up.squares, across.squares, strict=True))
        window = none.real
        c, s = self.mean.real, self.mean.imag
        small = 1e-9 * window  # for sines at half a cycle per pixel, which vanish
        self.cc = (window + twice.real) / 2 - 2 * c * once.real + c**2 * window + small
        self.ss = (window - twice.real) / 2 - 2 * s * once.imag + s**2 * window + small
        self.cs = twice.imag / 2 - c * once.imag - s * once.real + c * s * window
        self.determinant = self.cc * self.ss - self.cs**2
        too_slow = np.hypot(up.frequency[:, None], across.frequency) < lowest * (1 - 1e-9)
        self.usable = ~too_slow & (self.determinant > 1e-12 * window**2)

    def fit(self, kernels: Array) -> tuple[Array, Array, Array, Array]:
        """For each kernel the index of the best combination, its a and b, and the variance it explains."""
        products: Complex = self.up.factors @ kernels @ self.across.factors.T
        still = products[:, self.up.still][:, :, self.across.still].real
        products -= self.mean * still
        cosine, sine = products.real, products.imag
        a = (self.ss * cosine - self.cs * sine) / self.determinant
        b = (self.cc * sine - self.cs * cosine) / self.determinant
        explained = np.where(self.usable, a * cosine + b * sine, -1).reshape(len(kernels), -1)
        best = explained.argmax(axis=1)
        one = np.arange(len(kernels))
        flat = (each.reshape(len(kernels), -1)[one, best] for each in (a, b, explained))
        a_best, b_best, explained_best = flat
        return best.astype(np.float64), a_best, b_best, explained_best
