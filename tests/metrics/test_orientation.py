"""Which way gradients point and how fine patterns are, against known kernels and against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray

from filterkit.classic_kernels import KERNELS
from filterkit.metrics.orientation import OrientationMetrics


def measure(weights: NDArray[np.floating]) -> dict[str, Any]:
    return OrientationMetrics().measure(bank(weights))


def one(kernel: Any) -> dict[str, float]:
    found = measure(np.array(kernel, np.float32)[np.newaxis, np.newaxis])
    return {name: float(values[0]) for name, values in found.items()}


@pytest.mark.parametrize(
    ("name", "degrees"),
    [
        ("edge_sobel_x", 0),
        ("edge_prewitt_x", 0),
        ("edge_sobel_y", 90),
        ("edge_prewitt_y", 90),
        ("edge_roberts_1", 135),
        ("edge_roberts_2", 45),
        ("emboss", 135),
    ],
)
def test_classic_kernels(name: str, degrees: float) -> None:
    found = one(KERNELS[name].rows)
    assert found["orientation"] == pytest.approx(degrees, abs=1e-9)
    assert found["orientation_strength"] > 0.75


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_a_ramp_points_where_it_gets_lighter(size: int) -> None:
    y, x = np.mgrid[:size, :size]
    for degrees in range(0, 180, 5):
        angle = np.radians(degrees)
        found = one(np.cos(angle) * x - np.sin(angle) * y)  # y grows upwards, rows downwards
        assert (found["orientation"] - degrees + 90) % 180 - 90 == pytest.approx(0, abs=1e-4), degrees
        assert 0 <= found["orientation"] < 180, degrees
        assert found["orientation_strength"] == pytest.approx(1), degrees


@pytest.mark.parametrize("name", ["blur_box_3", "blur_gaussian_3", "blur_gaussian_5", "sharpen_laplacian"])
def test_what_is_alike_in_all_directions_has_none(name: str) -> None:
    found = one(KERNELS[name].rows)
    assert np.isnan(found["orientation"])
    assert found["orientation_strength"] == pytest.approx(0, abs=1e-9)


def test_the_kernels_of_a_filter_add_up() -> None:
    x, y = (np.array(KERNELS[f"edge_sobel_{axis}"].rows, np.float32) for axis in "xy")
    found = measure(np.stack([[x, x], [x, -x], [x, y], [3 * x, y]]))
    assert found["orientation"][[0, 1, 3]].tolist() == [0, 0, 0]
    assert np.isnan(found["orientation"][2])
    strengths = found["orientation_strength"]
    assert strengths[0] == strengths[1] > strengths[3] > strengths[2]


def test_strength_and_angle_against_a_plain_structure_tensor() -> None:
    weights = random_weights(6, 3, 5, 4)
    found = measure(weights)
    for number, kernels in enumerate(weights.astype(np.float64)):
        tensor = np.zeros((2, 2))
        for kernel in kernels:
            for i in range(4):
                for j in range(3):
                    a, b, c, d = kernel[i : i + 2, j : j + 2].ravel()
                    gradient = np.array([(b - a + d - c) / 2, (a - c + b - d) / 2])
                    tensor += np.outer(gradient, gradient)
        values, vectors = np.linalg.eigh(tensor)
        along = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180
        strength = (values[1] - values[0]) / values.sum()
        assert found["orientation"][number] == pytest.approx(along)
        assert found["orientation_strength"][number] == pytest.approx(strength)


@pytest.mark.parametrize("size", [(3, 3), (7, 7), (2, 5), (40, 3), (7,), (3, 3, 3)])
def test_frequency_against_a_plain_transform(size: tuple[int, ...]) -> None:
    weights = random_weights(4, 3, *size)
    grid = [128 if side > 32 else 64 for side in size]
    axes = tuple(range(2, weights.ndim))
    power = (np.abs(np.fft.fftn(weights.astype(np.float64), grid, axes)) ** 2).sum(axis=1)
    lengths = np.sqrt(sum(axis**2 for axis in np.meshgrid(*map(np.fft.fftfreq, grid), indexing="ij")))
    within = tuple(range(1, power.ndim))
    expected = (power * lengths).sum(axis=within) / power.sum(axis=within)
    np.testing.assert_allclose(measure(weights)["frequency"], expected, rtol=1e-9)


def test_frequency_grows_from_blurs_to_stripes() -> None:
    y, x = np.mgrid[:7, :7]
    stripes = [one(np.cos(np.pi * frequency * 2 * (x - 3)))["frequency"] for frequency in (0, 0.2, 0.35, 0.5)]
    assert stripes == sorted(stripes)
    assert one(np.cos(np.pi * (x + y)))["frequency"] > stripes[-1]
    impulse = np.zeros((7, 7))
    impulse[3, 3] = 1  # has all frequencies alike: the mean of |f| over the square
    assert one(impulse)["frequency"] == pytest.approx((np.sqrt(2) + np.log(1 + np.sqrt(2))) / 6, abs=1e-3)


def test_rows_and_pictures_in_volumes() -> None:
    row, picture = random_weights(3, 2, 7), random_weights(3, 2, 3, 3)
    for shape in ((3, 2, 1, 7), (3, 2, 7, 1), (3, 2, 1, 7, 1)):
        found = measure(row.reshape(shape))
        np.testing.assert_array_equal(found["frequency"], measure(row)["frequency"])
        assert np.isnan(found["orientation"]).all()
        assert np.isnan(found["orientation_strength"]).all()
    for name, values in measure(picture.reshape(3, 2, 1, 3, 3)).items():
        np.testing.assert_array_equal(values, measure(picture)[name])
    assert np.isnan(measure(random_weights(3, 2, 3, 3, 3))["orientation"]).all()
    assert np.isnan([*measure(random_weights(3, 2, 1, 1)).values()]).all()


def test_zeros_and_constants() -> None:
    weights = np.zeros((2, 2, 3, 3), np.float32)
    weights[1] = np.float32(0.1)
    found = measure(weights)
    assert np.isnan(found["orientation"]).all()
    assert found["orientation_strength"].tolist() == [0, 0]
    assert np.isnan(found["frequency"][0])
    assert found["frequency"][1] < 0.2


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_spoils_its_own_filter_only(value: float) -> None:
    weights = random_weights(3, 2, 3, 3)
    whole = measure(weights)
    weights[1, 0, 2, 2] = value
    for name, values in measure(weights).items():
        assert np.isnan(values[1])
        np.testing.assert_array_equal(values[[0, 2]], whole[name][[0, 2]])


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.array(KERNELS["emboss"].rows, scale.dtype)[np.newaxis, np.newaxis] / 2
    for name, values in measure(weights * scale).items():
        np.testing.assert_allclose(values, measure(weights)[name], rtol=0.01)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 6), channels=st.integers(1, 3))
def test_a_turned_kernel_has_a_turned_gradient(seed: int, size: int, channels: int) -> None:
    weights = random_weights(3, channels, size, size, seed=seed)
    found, turned = measure(weights), measure(np.rot90(weights, axes=(2, 3)))
    np.testing.assert_allclose(found["frequency"], turned["frequency"], rtol=1e-9)
    np.testing.assert_allclose(found["orientation_strength"], turned["orientation_strength"], atol=1e-9)
    strong = found["orientation_strength"] > 1e-3
    off = (turned["orientation"] - found["orientation"])[strong] % 180
    np.testing.assert_allclose(off, 90, atol=1e-6)
