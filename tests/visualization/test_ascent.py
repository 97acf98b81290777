"""Gradient ascent: the steps are those of Adam, and results are reproducible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.visualization.ascent import CHECKS, STEP, ascend
from filterkit.visualization.spectrum import Spectrum
from filterkit.visualization.transforms import Transform, apply

SIZE = 24, 20
SEEDS = [(0, 1), (0, 2)]
WEIGHTS = np.random.default_rng(3).standard_normal((2, 3, *SIZE)).astype(np.float32)


def values(pictures: np.ndarray) -> Any:
    """A response that is not linear in the pictures."""
    return np.tanh((pictures * WEIGHTS).sum(axis=(1, 2, 3), dtype=float) / 50)


def gradients(pictures: np.ndarray) -> np.ndarray:
    return ((1 - values(pictures) ** 2) / 50)[:, None, None, None].astype(np.float32) * WEIGHTS


def run(steps: int = 20, **options: Any) -> Any:
    spectrum = Spectrum(3, *SIZE, colours=True)
    options = {"seed": 0, "gradients": gradients, "values": values, **options}
    return ascend(spectrum, SEEDS, steps, **options)


@pytest.mark.keras
def test_the_same_optimization_in_torch() -> None:
    torch = pytest.importorskip("torch")
    spectrum, rng = Spectrum(3, *SIZE, colours=True), np.random.default_rng((0, 0))
    start = spectrum.start(SEEDS)
    parts = torch.tensor(np.stack([start.real, start.imag], axis=-1)).requires_grad_()
    adam = torch.optim.Adam([parts], lr=STEP, eps=1e-12)
    for _ in range(20):
        now = np.ascontiguousarray(parts.detach().numpy()).view(np.complex64)[..., 0]
        pictures = spectrum.pictures(now)
        matrix = Transform.random(rng, *SIZE).matrix(*SIZE)
        back = apply(matrix.T, gradients(apply(matrix, pictures, SIZE)), SIZE)
        slope = spectrum.back(pictures, back)
        slope /= np.sqrt((np.abs(slope) ** 2).mean(axis=(1, 2, 3), keepdims=True) / 2)
        parts.grad = -torch.tensor(np.stack([slope.real, slope.imag], axis=-1))
        adam.step()
    final = spectrum.pictures(np.ascontiguousarray(parts.detach().numpy()).view(np.complex64)[..., 0])
    np.testing.assert_allclose(run().pictures, final, atol=2e-3)


def test_values_increase_and_the_best_pictures_are_returned() -> None:
    state = run()
    assert state.steps == 20
    assert (state.best > state.start + 0.2).all()
    np.testing.assert_allclose(values(state.pictures), state.best)
    assert (state.last <= state.best).all()


def test_a_result_depends_on_the_seed_alone() -> None:
    first, again, other = run(), run(), run(seed=1)
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert np.abs(first.pictures - other.pictures).max() > 0.05


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_responses_has_no_influence(unit: float) -> None:
    scaled = run(gradients=lambda pictures: np.float32(unit) * gradients(pictures))
    np.testing.assert_allclose(scaled.pictures, run().pictures, atol=1e-3)


def test_without_a_gradient_nothing_happens() -> None:
    state = run(3, gradients=np.zeros_like, values=lambda pictures: np.zeros(len(pictures)))
    assert np.isfinite(state.pictures).all()
    np.testing.assert_array_equal(state.best, 0)


def test_only_a_window_is_seen() -> None:
    seen = []

    def in_window(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures.shape[2:])
        return np.ones_like(pictures)

    state = run(
        4,
        window=((2, 9), (4, 16)),
        gradients=in_window,
        values=lambda pictures: pictures.mean(axis=(1, 2, 3), dtype=float),
    )
    assert set(seen) == {(7, 12)}
    np.testing.assert_allclose(state.best, state.pictures[..., 2:9, 4:16].mean(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 3, 4, 10])
def test_how_often_pictures_are_evaluated(steps: int) -> None:
    calls = []
    run(steps, values=lambda pictures: calls.append(1) or values(pictures))
    assert len(calls) == 1 + min(steps, CHECKS)


@pytest.mark.parametrize("after", [1, 7])
def test_an_interruption_keeps_what_there_is(after: int) -> None:
    count = iter(range(100))

    def step() -> None:
        if next(count) == after:
            raise KeyboardInterrupt

    state = run(each_step=step)
    assert state.steps == after + 1
    assert (state.best > state.start).all()
    np.testing.assert_allclose(values(state.pictures), state.best)
