"""The metric: parameters are recovered from the plugin's own bank and from scikit-image's kernels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filterkit
import numpy as np
import pytest
from filterkit.testing import bank_of, check_metric
from numpy.typing import NDArray
from skimage.filters import gabor_kernel

from filterkit_gabor.bank import gabor_filters
from filterkit_gabor.dense import best_of_dense_bank
from filterkit_gabor.fitting import fit_gabors
from filterkit_gabor.metric import COLUMNS, GaborMetric, pattern
from filterkit_gabor.model import PARAMETERS, Limits, gabor, slopes

ANGLES = np.arange(12) * 15.0
RANDOM = np.random.default_rng(0)

DEGREES, CYCLES = 0.01, 1e-5
"""Accuracy of the fit for orientations and phases, and for frequencies, of filters without noise."""


def turned(
    found: NDArray[np.float64], expected: NDArray[np.float64] | float, full: float
) -> NDArray[np.float64]:
    """Difference of two angles in degrees; `full` is a full turn."""
    return np.abs((found - expected + full / 2) % full - full / 2)


def some_parameters(count: int, seed: int = 0) -> NDArray[np.float64]:
    """For functions well inside a kernel of 15 × 13 pixels."""
    random = np.random.default_rng(seed)
    angle, frequency = random.uniform(0, np.pi, count), random.uniform(0.1, 0.35, count)
    phase = random.uniform(-np.pi, np.pi, count)
    sigma = random.uniform(0.35, 0.6, count) / frequency
    centre = random.uniform(-2, 2, (2, count))
    wave = (np.cos(phase), -np.sin(phase), frequency * np.cos(angle), frequency * np.sin(angle))
    return np.column_stack([*wave, *centre, np.log(np.minimum(sigma, 3.5))])


def test_it_passes_the_checks_of_metrics() -> None:
    check_metric(GaborMetric)


@pytest.mark.parametrize(("phase", "expected"), [("even", 0.0), ("odd", 90.0)])
@pytest.mark.parametrize("size", [7, 15, 21])
@pytest.mark.parametrize("frequency", [0.08, 0.1, 0.2, 0.3, 0.4])
def test_its_own_bank_is_recovered(frequency: float, size: int, phase: str, expected: float) -> None:
    fit = fit_gabors(gabor_filters(frequency, np.radians(ANGLES), size, phase).astype(np.float64))  # type: ignore[arg-type]
    assert turned(fit.orientation, ANGLES, 180).max() < DEGREES
    assert np.abs(fit.frequency - frequency).max() < CYCLES
    assert turned(np.abs(fit.phase), expected, 360).max() < DEGREES
    assert fit.explained.min() > 1 - 1e-6


@pytest.mark.parametrize("phase", [-150, -90, -45, 0, 30, 90, 179])
def test_phase_and_orientation_are_those_of_scikit_image(phase: float) -> None:
    kernels = []
    for angle in ANGLES:
        # Its y axis points down.
        angles = {"theta": -np.radians(angle), "offset": np.radians(phase)}
        kernel = gabor_kernel(0.15, **angles, sigma_x=2, sigma_y=2, n_stds=10)
        rows, columns = (slice(length // 2 - 8, length // 2 + 9) for length in kernel.shape)
        kernel = kernel[rows, columns]
        window = np.abs(kernel)
        kernels.append(kernel.real - window * kernel.real.sum() / window.sum())
    fit = fit_gabors(np.array(kernels))
    assert turned(fit.orientation, ANGLES, 180).max() < DEGREES
    assert turned(fit.phase, phase, 360).max() < DEGREES
    assert np.abs(fit.frequency - 0.15).max() < CYCLES


def test_functions_anywhere_in_a_kernel_are_recovered() -> None:
    parameters = some_parameters(200)
    fit = fit_gabors(gabor(parameters, Limits.of(15, 13)) + RANDOM.normal(size=(200, 1, 1)))
    assert np.mean(fit.explained > 1 - 1e-6) == 1
    expected = np.degrees(np.arctan2(parameters[:, 3], parameters[:, 2]))
    assert turned(fit.orientation, expected, 180).max() < 0.1
    assert np.abs(fit.frequency - np.hypot(parameters[:, 2], parameters[:, 3])).max() < 1e-3


def test_noise_moves_the_parameters_little() -> None:
    clean = gabor_filters(0.15, np.radians(ANGLES), 15, "even").astype(np.float64)
    noise = RANDOM.normal(size=clean.shape)
    noise *= 0.3 / np.linalg.norm(noise, axis=(1, 2), keepdims=True)  # a thirteenth of the variance
    fit = fit_gabors(clean + noise)
    assert turned(fit.orientation, ANGLES, 180).max() < 3
    assert np.abs(fit.frequency - 0.15).max() < 0.01
    assert turned(np.abs(fit.phase), 0, 360).max() < 10
    np.testing.assert_allclose(fit.explained, 1 / 1.09, atol=0.03)


def test_what_is_explained_is_a_share_of_the_variance() -> None:
    kernels = RANDOM.normal(size=(300, 11, 11))
    explained = fit_gabors(kernels).explained
    assert explained.min() > 0
    assert explained.max() < 0.35, "noise is no Gabor function"
    scaled = fit_gabors(kernels[:20] * -1e5 + 7).explained
    np.testing.assert_allclose(scaled, explained[:20], atol=1e-6)


@pytest.mark.parametrize(("turns", "sign"), [(1, 90), (2, 0)])
def test_a_turned_kernel_has_a_turned_fit(turns: int, sign: float) -> None:
    kernels = gabor(some_parameters(40, seed=1), Limits.of(15, 15))
    straight, rotated = fit_gabors(kernels), fit_gabors(np.rot90(kernels, turns, axes=(1, 2)))
    assert turned(rotated.orientation, straight.orientation + sign, 180).max() < 0.1
    np.testing.assert_allclose(rotated.frequency, straight.frequency, atol=1e-3)


def test_slopes_are_those_of_the_function() -> None:
    limits, parameters, step = Limits.of(7, 6), some_parameters(8), 1e-6
    found = slopes(parameters, limits)
    for number, name in enumerate(PARAMETERS):
        moved = np.zeros(len(PARAMETERS))
        moved[number] = step
        numeric = (gabor(parameters + moved, limits) - gabor(parameters - moved, limits)) / (2 * step)
        np.testing.assert_allclose(found[:, number], numeric, atol=1e-7, err_msg=name)


def test_the_dense_bank_tells_what_its_functions_explain() -> None:
    kernels = RANDOM.normal(size=(5, 9, 8))
    kernels -= kernels.mean(axis=(1, 2), keepdims=True)
    kernels /= np.linalg.norm(kernels, axis=(1, 2), keepdims=True)
    limits = Limits.of(9, 8)
    for number, starts in enumerate(best_of_dense_bank(kernels, limits)):
        functions = gabor(starts, limits)
        # a and b are optimal: neither a factor nor a phase shift improves the fit.
        np.testing.assert_allclose(
            (functions * kernels[number]).sum((1, 2)), (functions**2).sum((1, 2)), rtol=1e-6
        )


def test_of_a_picture_the_channels_common_pattern_is_fitted_else_one_kernel() -> None:
    wave, other = gabor_filters(0.2, np.radians([30.0, 120.0]), 9, "odd").astype(np.float64)
    weights = np.stack([[0.5 * wave, -2 * wave + 3, 0.1 * other]])
    common = pattern(weights, of_picture=True)[0]
    assert abs(np.corrcoef(common.ravel(), wave.ravel())[0, 1]) > 0.999
    assert (common * (weights[0, 1] - 3)).sum() > 0, "its sign is that of the strongest channel"
    np.testing.assert_allclose(pattern(weights, of_picture=False)[0], -2 * wave, atol=1e-6)


def test_undefined_columns_are_nan() -> None:
    weights = gabor_filters(0.2, np.radians(ANGLES[:5]), 7, "even")[:, None].astype(np.float32)
    weights[0] = 0
    weights[1] = 3
    weights[2, 0, 3, 3] = np.nan
    weights[3, 0, 3, 3] = np.inf
    measured = GaborMetric().measure(bank_of(weights))
    assert set(measured) == set(COLUMNS)
    for values in measured.values():
        assert np.isnan(values).tolist() == [True, True, True, True, False]
    for shape in ((4, 2, 5), (4, 2, 1, 7), (4, 2, 2, 2), (4, 2, 3, 3, 3), (4, 2, 5, 22), (4, 2, 101, 101)):
        measured = GaborMetric().measure(bank_of(RANDOM.normal(size=shape).astype(np.float32)))
        assert all(np.isnan(values).all() for values in measured.values())


def test_axes_of_one_weight_do_not_count() -> None:
    weights = gabor_filters(0.2, np.radians(ANGLES[:5]), 7, "even")[:, None].astype(np.float32)
    expected = GaborMetric().measure(bank_of(weights))
    for shape in ((1, 7, 7), (7, 1, 7), (7, 7, 1)):
        measured = GaborMetric().measure(bank_of(weights.reshape(5, 1, *shape)))
        for name, values in expected.items():
            np.testing.assert_array_equal(measured[name], values)


def test_the_largest_kernels_are_fitted_whole() -> None:
    weights = gabor_filters(0.1, np.radians(ANGLES[:3]), 21, "odd")[:, None]
    measured = GaborMetric().measure(bank_of(weights))
    assert turned(measured["gabor_orientation"], ANGLES[:3], 180).max() < DEGREES  # type: ignore[arg-type]
    assert measured["gabor_explained"].min() > 1 - 1e-6


def test_filters_are_listed_sorted_and_chosen_by_it(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    with filterkit.open(catalog) as bench:
        bench.add("gabor:?orientations=4&frequencies=0.1,0.2&phase=both")
        rows = bench.filters("gabor", where="gabor_explained > 0.9", sort="-gabor_frequency")
    assert len(rows) == 16
    assert [round(row["gabor_frequency"], 4) for row in rows] == [0.2] * 8 + [0.1] * 8
    for row in rows:
        assert turned(row["gabor_orientation"], 45.0 * row["filter"], 180) < DEGREES
    line = [sys.executable, "-m", "filterkit", "filters", "gabor", "--catalog", str(catalog)]
    wishes = ["--where", "gabor_explained > 0.9", "--sort", "-gabor_frequency"]
    shown = subprocess.run([*line, *wishes], check=True, capture_output=True, text=True)
    first, *_ = shown.stdout.splitlines()[3:]
    assert first.split()[:2] == [rows[0]["address"], "0.2"]
