"""Gabor functions fitted to many kernels at once.

The function is that of `filterkit_gabor.bank`, with a separate centre, window and phase for each kernel::

    g(x, y) = w · (a cos φ + b sin φ - m),   w = exp(-((x - x₀)² + (y - y₀)²) / (2 σ²)),
    φ = 2π (fx (x - x₀) + fy (y - y₀)),      x to the right, y up, (0, 0) in the middle of the kernel

where m makes the sum of g zero. For given (fx, fy, x₀, y₀, σ) the best a and b are a linear fit: a dense bank
of functions is tried at once, and the best ones of the most promising widths σ are refined with the
Levenberg–Marquardt method (J. Nocedal and S. J. Wright, "Numerical Optimization", 2nd ed., 2006, 10.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filterkit_gabor.dense import best_of_dense_bank
from filterkit_gabor.model import Limits, gabor, slopes

Array = NDArray[np.float64]

STEPS = 40
"""Maximum number of Levenberg–Marquardt steps; converged fits stop earlier."""

LEVEL = 1e-7
"""Cycles per pixel along y below which a wave counts as horizontal: else it would be 0 or 180° by chance."""

AT_ONCE = 500_000
"""Elements of a Jacobian in memory at a time."""


@dataclass(frozen=True, eq=False)
class Fit:
    """One Gabor function per kernel; every array but the last has the shape (kernels,).

    Attributes
    ----------
    orientation
        Degrees in [0, 180): the direction of the wave, counter-clockwise from the x axis.
    frequency
        Cycles per pixel.
    phase
        Degrees in (-180, 180], at the centre of the window: 0 is a bright line, 180 a dark one, 90 an edge
        that is dark in the direction of the wave, and -90 one that is bright in that direction.
    explained
        Share of the kernel's variance about its mean that the function explains, 0 to 1.
    sigma
        Width of the window in pixels.
    x, y
        Centre of the window, in pixels from the middle, to the right and upwards.
    function
        The functions on the scale of the kernels, shape (kernels, height, width).
    """

    orientation: Array
    frequency: Array
    phase: Array
    explained: Array
    sigma: Array
    x: Array
    y: Array
    function: Array


def fit_gabors(kernels: Array) -> Fit:
    """Fit a Gabor function to each kernel, by least squares.

    Parameters
    ----------
    kernels
        Shape (kernels, height, width); finite, and none of them constant.
    """
    count, height, width = kernels.shape
    limits = Limits.of(height, width)
    centred = kernels - kernels.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True))
    unit = centred / norm
    starts = best_of_dense_bank(unit, limits)
    tries = starts.shape[1]
    owner = np.repeat(np.arange(count), tries)
    refined, left = _refine(starts.reshape(count * tries, -1), unit, owner, limits)
    best = left.reshape(count, tries).argmin(axis=1)
    chosen = refined.reshape(count, tries, -1)[np.arange(count), best]
    a, b, fx, fy, x, y, log_sigma = chosen.T
    fy = np.where(np.abs(fy) < LEVEL, 0, fy)
    upward = np.where((fy > 0) | ((fy == 0) & (fx > 0)), 1, -1)  # of the two possible directions of the wave
    return Fit(
        orientation=np.degrees(np.arctan2(upward * fy, upward * fx)) % 180,
        frequency=np.hypot(fx, fy),
        phase=np.degrees(np.arctan2(-b * upward, a)),
        explained=np.clip(1 - left.reshape(count, tries).min(axis=1), 0, 1),
        sigma=np.exp(log_sigma),
        x=x,
        y=y,
        function=gabor(chosen, limits) * norm,
    )


def _refine(starts: Array, kernels: Array, owner: NDArray[np.intp], limits: Limits) -> tuple[Array, Array]:
    """Fit every start to its owner among `kernels`; also returns the unexplained variance."""
    refined, left = np.empty_like(starts), np.empty(len(starts))
    step = max(1, AT_ONCE // (kernels[0].size * starts.shape[1]))
    for begin in range(0, len(starts), step):
        part = slice(begin, begin + step)
        refined[part], left[part] = _levenberg_marquardt(starts[part], kernels[owner[part]], limits)
    return refined, left


def _levenberg_marquardt(parameters: Array, kernels: Array, limits: Limits) -> tuple[Array, Array]:
    parameters = limits.clip(parameters)
    error = gabor(parameters, limits) - kernels
    left = (error**2).sum(axis=(1, 2))
    damping = np.full(len(parameters), 1e-3)
    curvature = np.empty((*parameters.shape, parameters.shape[1]))
    gradient = np.empty((*parameters.shape, 1))
    moved = active = np.arange(len(parameters))  # where no step was better, the slopes are unchanged
    for _ in range(STEPS):
        jacobian = slopes(parameters[moved], limits).reshape(len(moved), parameters.shape[1], kernels[0].size)
        curvature[moved] = jacobian @ jacobian.swapaxes(1, 2)
        gradient[moved] = jacobian @ error[moved].reshape(len(moved), kernels[0].size, 1)
        damped = curvature[active]
        diagonal = np.einsum("nii->ni", damped)
        diagonal += damping[active, None] * diagonal + 1e-12
        tried = limits.clip(parameters[active] - np.linalg.solve(damped, gradient[active])[..., 0])
        new_error = gabor(tried, limits) - kernels[active]
        new_left = (new_error**2).sum(axis=(1, 2))
        better = new_left < left[active]
        gain = left[active] - new_left
        damping[active] = np.clip(np.where(better, damping[active] / 5, damping[active] * 4), 1e-12, 1e12)
        kept = active[better]
        parameters[kept], error[kept], left[kept] = tried[better], new_error[better], new_left[better]
        going = np.where(better, gain > 1e-5 * left[active] + 1e-15, damping[active] < 1e8)
        moved, active = active[better & going], active[going]
        if not len(active):
            break
    return parameters, left
