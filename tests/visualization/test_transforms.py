"""Transforms, compared with scipy and with torch autograd."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from filterkit.visualization.transforms import DEGREES, SCALES, SHIFT, Transform, apply, with_margin

SIZE = 40, 50


def pictures(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).random((2, 3, *size), np.float32)


@pytest.mark.parametrize(
    "transform", [Transform((2.3, -1.7), 1.07, 7.0), Transform((0.0, 11.5), 0.9, -10.0), Transform((-3, 4))]
)
def test_interpolation(transform: Transform) -> None:
    angle, middle = np.deg2rad(transform.degrees), np.array([(size - 1) / 2 for size in SIZE])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / transform.scale
    offset = middle - turn @ middle - np.array(transform.shift)
    found = apply(transform.matrix(*SIZE), pictures(), SIZE)
    for one, planes in zip(found, pictures(), strict=True):
        for plane, original in zip(one, planes, strict=True):
            expected = ndimage.affine_transform(
                original.astype(np.float64), turn, offset, order=1, mode="mirror"
            )
            np.testing.assert_allclose(plane, expected, atol=1e-5)


def test_nothing_changes_without_a_transform() -> None:
    np.testing.assert_array_equal(apply(Transform().matrix(*SIZE), pictures(), SIZE), pictures())


def test_a_window_is_a_part_of_the_whole() -> None:
    transform = Transform((1.5, -2.5), 1.1, 5.0)
    whole = apply(transform.matrix(*SIZE), pictures(), SIZE)
    part = apply(transform.matrix(*SIZE, ((5, 20), (7, 33))), pictures(), (15, 26))
    np.testing.assert_array_equal(part, whole[..., 5:20, 7:33])


def test_a_margin_is_around_the_picture_or_its_window() -> None:
    canvas, whole = with_margin((40, 64), None)
    assert canvas == (40 + 2 * 5, 64 + 2 * 8)
    assert whole == ((5, 45), (8, 72))
    assert with_margin((40, 64), ((3, 9), (0, 20))) == (canvas, ((8, 14), (8, 28)))
    assert with_margin((1, 64), None) == ((1, 80), ((0, 1), (8, 72)))


@pytest.mark.parametrize("size", [SIZE, (1, 64), (7, 7)])
def test_the_transpose_is_the_adjoint(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    matrix = Transform.random(rng, *size).matrix(*size).astype(np.float64)
    one, other = rng.standard_normal((2, size[0] * size[1]))
    assert np.dot(matrix @ one, other) == pytest.approx(np.dot(one, matrix.T @ other), rel=1e-12)


@pytest.mark.keras
def test_gradients_as_of_torch() -> None:
    torch = pytest.importorskip("torch")
    transform = Transform((2.0, -3.0), 1.05, 6.0)
    given = torch.tensor(pictures()).double().requires_grad_()
    angle = np.deg2rad(transform.degrees)
    cos, sin = np.cos(angle) / transform.scale, np.sin(angle) / transform.scale
    y = torch.arange(SIZE[0]).double()[:, None] - (SIZE[0] - 1) / 2
    x = torch.arange(SIZE[1]).double() - (SIZE[1] - 1) / 2
    rows = cos * y - sin * x - transform.shift[0]
    columns = sin * y + cos * x - transform.shift[1]
    grid = torch.stack([columns * 2 / (SIZE[1] - 1), rows * 2 / (SIZE[0] - 1)], dim=-1)
    moved = torch.nn.functional.grid_sample(
        given, grid.expand(2, -1, -1, -1), padding_mode="reflection", align_corners=True
    )
    matrix = transform.matrix(*SIZE)
    np.testing.assert_allclose(apply(matrix, pictures(), SIZE), moved.detach().numpy(), atol=1e-5)
    back = np.random.default_rng(2).standard_normal(moved.shape).astype(np.float32)
    moved.backward(torch.tensor(back).double())
    np.testing.assert_allclose(apply(matrix.T, back, SIZE), given.grad.numpy(), atol=2e-5)


def test_random_transforms_stay_in_their_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [Transform.random(rng, 200, 60) for _ in range(300)]
    down, right = (max(abs(each.shift[axis]) for each in drawn) for axis in (0, 1))
    assert 0.9 * SHIFT < down <= SHIFT
    assert 0.9 * 6 < right <= 6
    assert SCALES[0] <= min(each.scale for each in drawn) < max(each.scale for each in drawn) <= SCALES[1]
    assert 0.9 * DEGREES < max(abs(each.degrees) for each in drawn) <= DEGREES


def test_signals_are_only_shifted_and_scaled() -> None:
    drawn = Transform.random(np.random.default_rng(0), 1, 500)
    assert (drawn.shift[0], drawn.degrees) == (0, 0)
    assert drawn.shift[1] != 0
