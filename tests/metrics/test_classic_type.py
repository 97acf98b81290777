"""What filters look like: every family, at every size and width, and what is of none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray
from scipy import ndimage

from filterkit.classic_kernels import KERNELS
from filterkit.metrics.classic_type import ClassicType

Kernel = NDArray[np.float64]

SIZES = (3, 5, 7)
WIDTHS = np.geomspace(0.3, 20, 30)


def measure(weights: NDArray[np.floating]) -> dict[str, Any]:
    return ClassicType().measure(bank(weights))


def types(kernels: Iterable[Kernel]) -> set[str]:
    """All types that filters of one kernel each have."""
    found = measure(np.stack(list(kernels)).astype(np.float32)[:, np.newaxis])
    return set(found["classic_type"].tolist())


def grid(size: int) -> tuple[Kernel, Kernel, Kernel]:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return y, x, x**2 + y**2


def gaussian(size: int, width: float) -> Kernel:
    weights = np.exp(-grid(size)[2] / (2 * width**2))
    return weights / weights.sum()


def derivative(size: int, width: float, degrees: float) -> Kernel:
    y, x, _ = grid(size)
    angle = math.radians(degrees)
    return (math.cos(angle) * x + math.sin(angle) * y) * gaussian(size, width)


def impulse(size: int) -> Kernel:
    kernel = np.zeros((size, size))
    kernel[size // 2, size // 2] = 1
    return kernel


def placed(kernel: Any, size: int) -> Kernel:
    """A kernel in the middle of zeros."""
    return np.pad(np.array(kernel, float), (size - len(kernel)) // 2)


@pytest.mark.parametrize("name", KERNELS)
def test_the_classic_filters_are_what_they_are_called(name: str) -> None:
    kernel = np.array(KERNELS[name].rows, np.float32) * KERNELS[name].factor
    for size in {len(kernel), *SIZES}:
        if size < len(kernel) or (size - len(kernel)) % 2:
            continue
        found = measure(placed(kernel, size)[np.newaxis, np.newaxis])
        assert found["classic_type"].tolist() == [name.partition("_")[0]]
        assert found["classic_score"] == pytest.approx(1, abs=1e-6)
        assert found["classic_kernel"].tolist() == [name]


@pytest.mark.parametrize("size", SIZES)
def test_derivatives_of_gaussians_are_edges_in_every_direction(size: int) -> None:
    assert types(derivative(size, w, degrees) for w in WIDTHS for degrees in range(0, 360, 5)) == {"edge"}


@pytest.mark.parametrize("size", SIZES)
def test_gaussians_are_blur(size: int) -> None:
    assert types(gaussian(size, w) for w in np.geomspace(0.1, 100, 100)) == {"blur"}
    assert types(-gaussian(size, w) for w in WIDTHS) == {"blur"}


@pytest.mark.parametrize("size", SIZES)
def test_laplacians_are_sharpen(size: int) -> None:
    small = ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
             [[1, 4, 1], [4, -20, 4], [1, 4, 1]], [[1, 0, 1], [0, -4, 0], [1, 0, 1]])  # fmt: skip
    assert types(placed(kernel, size) for kernel in small) == {"sharpen"}
    _, _, squares = grid(size)
    ratios = [squares / (2 * w**2) for w in np.geomspace(0.4, size / 4, 15)]
    wide = [(1 - ratio) * np.exp(-ratio) for ratio in ratios]
    assert types(kernel - kernel.mean() for kernel in wide) == {"sharpen"}
    impulses = [ndimage.gaussian_laplace(impulse(size), w) for w in np.geomspace(0.4, size / 6, 5)]
    assert types(impulses) == {"sharpen"}


@pytest.mark.parametrize("size", SIZES)
def test_differences_of_gaussians_are_sharpen(size: int) -> None:
    narrow = np.geomspace(0.3, size / 3, 12)
    for ratio in (1.2, 1.4, 1.6, 2, 3, 5):
        assert types(gaussian(size, w) - gaussian(size, w * ratio) for w in narrow) == {"sharpen"}
    assert types(2 * impulse(size) - gaussian(size, w) for w in WIDTHS[2:]) == {"sharpen"}


@pytest.mark.parametrize("size", SIZES)
def test_emboss_in_eight_directions_is_emboss(size: int) -> None:
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    written = np.array(KERNELS["emboss"].rows, float)
    turned = []
    for step in range(8):
        kernel = written.copy()
        for place, (i, j) in enumerate(ring):
            kernel[ring[(place + step) % 8]] = written[i, j]
        turned.append(placed(kernel, size))
    assert types(turned) == {"emboss"}
    edges = [derivative(size, w, degrees) for w in WIDTHS for degrees in range(0, 360, 45)]
    for strength in (0.25, 0.4, 0.7, 1):
        assert types(e / np.linalg.norm(e) + strength * impulse(size) for e in edges) == {"emboss"}


@pytest.mark.parametrize("size", SIZES)
def test_a_diagonal_gradient_without_a_mean_is_an_edge(size: int) -> None:
    y, x, _ = grid(size)
    assert types([x + y, x - y, placed([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]], size)]) == {"edge"}


@pytest.mark.parametrize(("size", "share"), [(3, 0.85), (5, 0.999), (7, 0.999)])
def test_random_kernels_are_other(size: int, share: float) -> None:
    for seed in range(3):
        found = measure(random_weights(10_000, 1, size, size, seed=seed))["classic_type"]
        assert (found == "other").mean() >= share


def test_the_score_is_weighted_by_energy() -> None:
    sobel, box = np.array(KERNELS["edge_sobel_x"].rows, float), np.ones((3, 3))
    sobel, box = sobel / np.linalg.norm(sobel), box / 3
    found = measure(np.array([[3 * sobel, box], [sobel, box], [sobel, 0 * box]]))
    assert found["classic_type"].tolist() == ["edge", "other", "edge"]
    assert found["classic_score"][[0, 2]] == pytest.approx([0.9, 1], abs=1e-6)  # a box is no edge at all
    assert found["classic_kernel"][[0, 2]].tolist() == ["edge_sobel_x", "edge_sobel_x"]


def test_turned_kernels_are_named_by_their_turn() -> None:
    emboss = np.array(KERNELS["emboss"].rows, float)
    turned = [np.rot90(kernel, k) for kernel in (emboss, emboss[:, ::-1]) for k in range(4)]
    found = measure(np.stack([*turned, -emboss])[:, np.newaxis])["classic_kernel"]
    rotated = ["emboss", "emboss@90", "emboss@180", "emboss@270"]
    # Symmetric about its diagonal, so flipping it is turning it.
    assert found.tolist() == [*rotated, *rotated[3:], *rotated[:3], "emboss"]


def test_pointwise() -> None:
    for shape in ((3, 4, 1, 1), (3, 4, 1), (3, 4, 1, 1, 1)):
        found = measure(random_weights(*shape))
        assert found["classic_type"].tolist() == ["pointwise"] * 3
        assert np.isnan(found["classic_score"]).all()
        assert found["classic_kernel"].tolist() == ["", "", ""]


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (7,), (1, 7, 1)])
def test_rows(shape: tuple[int, ...]) -> None:
    kernels = np.array(
        [[0, 0, -1, 0, 1, 0, 0], [1] * 7, [0, 0, -1, 2, -1, 0, 0], [1, -1, 1, 1, -1, -1, 1]], float
    )
    found = measure(kernels.reshape(4, 1, *shape))
    assert found["classic_type"].tolist() == ["edge", "blur", "sharpen", "other"]
    assert found["classic_kernel"].tolist() == [""] * 4


@pytest.mark.parametrize("shape", [(2, 2), (4, 4), (3, 5), (2, 9), (11, 11), (16, 16), (1, 256)])
def test_other_sizes(shape: tuple[int, int]) -> None:
    x = np.indices(shape)[1].astype(float)
    ramp, box = x - x.mean(), np.ones(shape)
    found = measure(np.stack([ramp, box])[:, np.newaxis])
    assert found["classic_type"].tolist() == ["edge", "blur"]
    assert found["classic_score"] == pytest.approx([1, 1], abs=1e-6)


def test_planes_of_volumes_are_pictures_and_volumes_are_not() -> None:
    sobel = np.array(KERNELS["edge_sobel_x"].rows, float)
    assert measure(sobel.reshape(1, 1, 1, 3, 3))["classic_type"].tolist() == ["edge"]
    found = measure(random_weights(2, 1, 3, 3, 3))
    assert found["classic_type"].tolist() == ["", ""]
    assert np.isnan(found["classic_score"]).all()


def test_zeros_are_other() -> None:
    found = measure(np.zeros((1, 2, 3, 3), np.float32))
    assert {name: values.tolist() for name, values in found.items()} == {
        "classic_type": ["other"], "classic_score": [0], "classic_kernel": [""],
    }  # fmt: skip


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_spoils_its_own_filter_only(value: float) -> None:
    weights = np.ones((3, 2, 3, 3), np.float32)
    weights[1, 0, 0, 0] = value
    found = measure(weights)
    assert found["classic_type"].tolist() == ["blur", "", "blur"]
    assert found["classic_kernel"].tolist() == ["blur_box_3", "", "blur_box_3"]
    assert np.isnan(found["classic_score"]).tolist() == [False, True, False]


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.array([KERNELS[name].rows for name in ("edge_sobel_x", "emboss")], scale.dtype)[
        :, np.newaxis
    ]
    assert measure(weights / 4 * scale)["classic_type"].tolist() == ["edge", "emboss"]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 6), factor=st.floats(1e-6, 1e6))
def test_turns_scales_and_signs_leave_the_type(seed: int, size: int, factor: float) -> None:
    weights = random_weights(20, 2, size, size, seed=seed).astype(np.float64)
    found = measure(weights)
    for same in (weights * factor, -weights, np.rot90(weights, axes=(2, 3)), weights[..., ::-1]):
        other = measure(same)
        np.testing.assert_allclose(other["classic_score"], found["classic_score"], atol=1e-5)
        clear = np.abs(found["classic_score"] - 0.8) > 1e-4
        assert other["classic_type"][clear].tolist() == found["classic_type"][clear].tolist()


def test_the_order_of_filters_does_not_matter() -> None:
    weights = random_weights(50, 2, 3, 3)
    order = np.random.default_rng(1).permutation(50)
    found, shuffled = measure(weights), measure(weights[order])
    for name, values in found.items():
        assert shuffled[name].tolist() == pytest.approx(values[order].tolist())
