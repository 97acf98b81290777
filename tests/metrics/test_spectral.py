"""Norms of layers, against WeightWatcher's own numbers and against decompositions in float64."""

from __future__ import annotations

import numpy as np
import pytest
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray

from filterkit.metrics.spectral import SpectralMetrics, largest_eigenvalues

WEIGHTWATCHER = {
    (48, 32, 3, 3): (84.24983731445758, 4.139284121859201, 2.213715050933054),
    (32, 48, 1, 1): (10.683157150408617, 3.1754220634948904, 2.1467224465347186),
    (40, 20, 5, 5): (160.62405177596654, 4.29759198672518, 2.091781409845489),
}
"""stable_rank, log_norm, log_spectral_norm of `random_weights` in a Conv2d, by WeightWatcher 0.7.7's
``analyze(min_evals=1, conv2d_norm=False)``.
"""


def measure(weights: NDArray[np.floating]) -> dict[str, float]:
    return SpectralMetrics().measure_layer(bank(weights))


@pytest.mark.parametrize("shape", WEIGHTWATCHER)
def test_against_weightwatcher(shape: tuple[int, ...]) -> None:
    found = measure(random_weights(*shape))
    assert tuple(found.values()) == pytest.approx(WEIGHTWATCHER[shape], rel=1e-6)


@pytest.mark.parametrize("shape", [(5, 7, 3, 3), (1, 1, 3, 3), (6, 1, 5, 5), (4, 3, 7), (4, 5, 2, 3, 2)])
def test_against_decompositions(shape: tuple[int, ...]) -> None:
    weights = random_weights(*shape)
    slices = np.moveaxis(weights.reshape(*shape[:2], -1), 2, 0).astype(np.float64)
    eigenvalues = np.linalg.svd(slices, compute_uv=False) ** 2
    found = measure(weights)
    assert found["log_norm"] == pytest.approx(np.log10(eigenvalues.sum()), abs=1e-6)
    assert found["log_spectral_norm"] == pytest.approx(np.log10(eigenvalues.max()), abs=1e-6)
    assert found["stable_rank"] == pytest.approx(eigenvalues.sum() / eigenvalues.max(), rel=1e-6)


@pytest.mark.slow
def test_sums_over_millions_of_weights_keep_their_digits() -> None:
    weights = random_weights(1024, 512, 3, 3)
    expected = np.square(weights, dtype=np.float64).sum()
    assert 10 ** measure(weights)["log_norm"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(3, 60, 90), (3, 90, 60), (2, 129, 129), (4, 9, 1), (1, 1, 1)])
def test_largest_eigenvalues(shape: tuple[int, ...]) -> None:
    matrices = random_weights(*shape)
    expected = np.linalg.norm(matrices.astype(np.float64), 2, axis=(1, 2)) ** 2
    np.testing.assert_allclose(largest_eigenvalues(matrices), expected, rtol=1e-6)


def test_largest_eigenvalues_of_few_ranks_and_of_equal_ones() -> None:
    left, right = random_weights(3, 100, 4), random_weights(3, 4, 80, seed=1)
    low = left @ right
    low[1] = 0
    low[2] = np.eye(100, 80)
    expected = np.linalg.norm(low.astype(np.float64), 2, axis=(1, 2)) ** 2
    np.testing.assert_allclose(largest_eigenvalues(low), expected, rtol=1e-5)


def test_copies_have_a_stable_rank_of_one() -> None:
    weights = np.zeros((6, 5, 3, 3), np.float32)
    weights[:, :, 1, 1] = np.outer(np.arange(1, 7), np.arange(1, 6))
    assert measure(weights)["stable_rank"] == pytest.approx(1, rel=1e-6)


def test_zeros_have_none() -> None:
    assert np.isnan([*measure(np.zeros((3, 2, 3, 3), np.float32)).values()]).all()


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_has_none(value: float) -> None:
    weights = random_weights(4, 2, 3, 3)
    weights[1, 0, 0, 0] = value
    assert np.isnan([*measure(weights).values()]).all()


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.sign(random_weights(6, 4, 3, 3)).astype(scale.dtype)
    found, expected = measure(weights * scale), measure(weights)
    apart = 2 * np.log10(np.float64(scale))
    assert found["stable_rank"] == pytest.approx(expected["stable_rank"], rel=1e-5)
    assert found["log_norm"] == pytest.approx(expected["log_norm"] + apart, abs=1e-3)
    assert found["log_spectral_norm"] == pytest.approx(expected["log_spectral_norm"] + apart, abs=1e-3)
