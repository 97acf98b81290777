"""Gradient ascent on pictures: Adam on their Fourier coefficients, under random transforms.

The steps are those of Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"
(https://arxiv.org/abs/1412.6980), algorithm 1, with its default decay rates. Gradients are divided by their
root mean square, each picture's by its own, as their size can change by orders of magnitude from one step to
the next when filters begin to respond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from filterkit.visualization.transforms import Transform, apply

if TYPE_CHECKING:
    from filterkit.records import FloatArray
    from filterkit.visualization.spectrum import Spectrum
    from filterkit.visualization.transforms import Window

STEP = 0.05
DECAY_MEAN, DECAY_SQUARE = 0.9, 0.999
TINY = 1e-8

CHECKS = 4
"""How often pictures are evaluated without transforms, besides the start."""

Gradients: TypeAlias = "Callable[[FloatArray], FloatArray]"
"""The gradients of the responses to pictures, of their shape."""

Values: TypeAlias = "Callable[[FloatArray], FloatArray]"
"""The responses to pictures."""


@dataclass(eq=False)
class Ascent:
    """Pictures that are being optimized.

    Attributes
    ----------
    pictures
        The best so far, shape (pictures, channels, height, width), between 0 and 1.
    start, best, last
        Their responses without transforms, at the start, of `pictures`, and when last evaluated.
    steps
        How many were made.
    interrupted
        Whether a KeyboardInterrupt ended the optimization, perhaps in the last evaluation.
    """

    pictures: FloatArray
    start: FloatArray
    best: FloatArray
    last: FloatArray
    steps: int = 0
    interrupted: bool = False

    def take(self, pictures: FloatArray, values: FloatArray) -> None:
        """Keep those pictures that are at least as good as before."""
        better = values >= self.best
        self.pictures[better], self.best[better] = pictures[better], values[better]
        self.last = values


def ascend(
    spectrum: Spectrum,
    seeds: list[tuple[int, ...]],
    steps: int,
    *,
    seed: int,
    gradients: Gradients,
    values: Values,
    window: Window | None = None,
    extent: tuple[int, ...] | None = None,
    each_step: Callable[[], None] = lambda: None,
) -> Ascent:
    """Optimize a picture for each of `seeds`, from random ones.

    Parameters
    ----------
    seed
        Of the transforms, which all pictures have in common.
    gradients, values
        What is maximized, given pictures; they see only `window` of them, if given.
    extent
        Height and width of what determines the response, if it is less: shifts are small beside it.
    each_step
        Called after each step. A KeyboardInterrupt ends the optimization with what there is.
    """
    coefficients = spectrum.start(seeds)
    height, width = spectrum.shape[1:]
    (top, bottom), (left, right) = window or ((0, height), (0, width))
    rng = np.random.default_rng((seed, 0))
    flat = coefficients.view(np.float32)
    mean, square, spare = np.zeros_like(flat), np.zeros_like(flat), np.empty_like(flat)
    pictures = spectrum.pictures(coefficients)

    def seen(pictures: FloatArray) -> FloatArray:
        return values(np.ascontiguousarray(pictures[..., top:bottom, left:right]))

    first = seen(pictures)
    state = Ascent(pictures, first, first.copy(), first)
    try:
        for step in range(1, steps + 1):
            matrix = Transform.random(rng, *(extent or (height, width))).matrix(height, width, window)
            back = gradients(apply(matrix, pictures, (bottom - top, right - left)))
            back = apply(matrix.T, back, (height, width))
            slope = spectrum.back(pictures, back).view(np.float32)
            size = np.sqrt(np.square(slope, out=spare).mean(axis=(1, 2, 3), keepdims=True))
            slope /= np.where(size == 0, 1, size)
            _approach(mean, slope, 1 - DECAY_MEAN, spare)
            np.square(slope, out=slope)
            _approach(square, slope, 1 - DECAY_SQUARE, spare)
            rate = STEP * np.sqrt(1 - DECAY_SQUARE**step) / (1 - DECAY_MEAN**step)
            np.sqrt(square, out=slope)
            slope += np.float32(TINY)
            np.multiply(mean, np.float32(rate), out=spare)
            spare /= slope
            flat += spare
            pictures = spectrum.pictures(coefficients)
            state.steps = step
            if step * CHECKS // steps > (step - 1) * CHECKS // steps:
                state.take(pictures, seen(pictures))
            each_step()
    except KeyboardInterrupt:
        state.interrupted = True
        if state.steps:
            state.take(pictures, seen(pictures))
    return state


def _approach(average: FloatArray, values: FloatArray, share: float, spare: FloatArray) -> None:
    """Move an exponential average towards new values, in place."""
    np.subtract(values, average, out=spare)
    spare *= share
    average += spare
