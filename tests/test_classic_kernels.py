"""Classic kernels: their sums, symmetries and products, as their sources define them."""

from __future__ import annotations

import numpy as np
import pytest

from filterkit.classic_kernels import KERNELS


@pytest.mark.parametrize(
    ("name", "total"),
    [(name, 0) for name in KERNELS if name.startswith("edge")]
    + [(name, 1) for name in KERNELS if name.startswith(("blur", "sharpen", "emboss"))],
)
def test_sums(name: str, total: int) -> None:
    expected = 0 if name == "sharpen_laplacian" else total
    kernel = KERNELS[name]
    assert np.sum(kernel.rows) * kernel.factor == pytest.approx(expected, abs=1e-12)


def values_of(name: str) -> np.ndarray:
    return np.array(KERNELS[name].rows, np.float64) * KERNELS[name].factor


def test_rows_are_squares_of_the_size() -> None:
    for name, kernel in KERNELS.items():
        assert values_of(name).shape == (kernel.size, kernel.size)
    assert len({kernel.label for kernel in KERNELS.values()}) == len(KERNELS)


def test_smoothing_along_one_axis_and_a_derivative_along_the_other() -> None:
    derivative = np.array([-1, 0, 1])
    for kind, smoothing in (("sobel", [1, 2, 1]), ("prewitt", [1, 1, 1])):
        np.testing.assert_array_equal(values_of(f"edge_{kind}_x"), np.outer(smoothing, derivative))
        np.testing.assert_array_equal(values_of(f"edge_{kind}_y"), values_of(f"edge_{kind}_x").T)
    np.testing.assert_array_equal(values_of("edge_roberts_2"), np.fliplr(values_of("edge_roberts_1")))


def test_blurs_are_binomials_and_sharpening_is_the_picture_minus_them() -> None:
    for size, row in ((3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])):
        expected = np.outer(row, row) / np.sum(row) ** 2
        np.testing.assert_allclose(values_of(f"blur_gaussian_{size}"), expected)
    picture = np.zeros((5, 5))
    picture[2, 2] = 1
    np.testing.assert_allclose(values_of("sharpen_unsharp_5"), 2 * picture - values_of("blur_gaussian_5"))
    np.testing.assert_allclose(values_of("sharpen_basic"), picture[1:4, 1:4] - values_of("sharpen_laplacian"))
