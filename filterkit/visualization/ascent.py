"""Gradient ascent on pictures: Adam on their Fourier coefficients, under random transforms.

The steps are those of Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"
(https://arxiv.org/abs/1412.6980), algorithm 1, with its default decay rates. Gradients are divided by their
root mean square, each picture's by its own, as their size can change by orders of magnitude from one step to
the next when filters begin to respond.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from filterkit.visualization.transforms import Transform, apply

if TYPE_CHECKING:
    from scipy import sparse

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
    threads: int | None = None,
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
    threads
        Number of pictures that are adjusted at a time; None for as many as there are cores.
    each_step
        Called after each step. A KeyboardInterrupt ends the optimization with what there is.
    """
    coefficients = spectrum.start(seeds)
    height, width = spectrum.shape[1:]
    (top, bottom), (left, right) = window or ((0, height), (0, width))
    rng = np.random.default_rng((seed, 0))
    adam = _Adam(coefficients.view(np.float32))
    pictures = spectrum.pictures(coefficients)
    slopes = np.empty_like(pictures)
    moved = np.empty((*pictures.shape[:2], bottom - top, right - left), np.float32)

    def seen() -> FloatArray:
        return values(np.ascontiguousarray(pictures[..., top:bottom, left:right]))

    def move(matrix: sparse.csr_matrix, part: slice) -> None:
        moved[part] = apply(matrix, pictures[part], moved.shape[2:])

    def improve(matrix: sparse.csr_matrix, back: FloatArray, step: int, part: slice) -> None:
        back = apply(matrix.T, back[part], (height, width))
        slope = spectrum.back(pictures[part], back, spare=slopes[part]).view(np.float32)
        adam.ascend(slope, step, part)
        spectrum.pictures(coefficients[part], out=pictures[part], spare=slope)

    first = seen()
    state = Ascent(pictures.copy(), first, first.copy(), first)
    each = [slice(number, number + 1) for number in range(len(seeds))]
    with _pool(min(len(each), threads or os.cpu_count() or 1)) as run_each:
        try:
            for step in range(1, steps + 1):
                matrix = Transform.random(rng, *(extent or (height, width))).matrix(height, width, window)
                run_each(partial(move, matrix), each)
                run_each(partial(improve, matrix, gradients(moved), step), each)
                state.steps = step
                if step * CHECKS // steps > (step - 1) * CHECKS // steps:
                    state.take(pictures, seen())
                each_step()
        except KeyboardInterrupt:
            state.interrupted = True
    if state.interrupted and state.steps:
        state.take(pictures, seen())
    return state


class _Adam:
    """Adjusts real numbers, shape (pictures, …), in the direction of slopes."""

    def __init__(self, values: FloatArray) -> None:
        self._values = values
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)
        self._spare = np.empty_like(values)

    def ascend(self, slope: FloatArray, step: int, part: slice) -> None:
        """Adjust a part of the pictures, given the slope for them, which is overwritten."""
        mean, square, spare = self._mean[part], self._square[part], self._spare[part]
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
        self._values[part] += spare


@contextmanager
def _pool(threads: int) -> Iterator[Callable[[Callable[[slice], None], Sequence[slice]], None]]:
    """Yield what calls a function for each part, several at a time; they have ended when the block ends."""
    if threads == 1:
        yield lambda function, parts: [*map(function, parts)].clear()
        return
    with ThreadPoolExecutor(threads) as executor:
        yield lambda function, parts: [*executor.map(function, parts)].clear()


def _approach(average: FloatArray, values: FloatArray, share: float, spare: FloatArray) -> None:
    """Move an exponential average towards new values, in place."""
    np.subtract(values, average, out=spare)
    spare *= share
    average += spare
