"""What differs between two banks: against NumPy's plain formulas, and where they are not defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterkit.comparison.difference import difference, total


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(7, 3, 5), (6, 4, 3, 3), (1, 1, 1, 1), (5, 2, 2, 3, 4), (3000, 16, 3, 3)])
def test_against_plain_formulas(shape: tuple[int, ...]) -> None:
    a, b = random(*shape), random(*shape, seed=1)
    found, whole = difference(a, b, 0.5), total(difference(a, b, 0.5))
    x, y = (bank.reshape(len(bank), -1).astype(np.longdouble) for bank in (a, b))
    norms_x, norms_y = np.sqrt((x * x).sum(1)), np.sqrt((y * y).sum(1))
    distance = np.sqrt(((y - x) ** 2).sum(1)) / norms_x
    slopes = (x * y).sum(1) / (x * x).sum(1)
    np.testing.assert_allclose(found.cosine, ((x * y).sum(1) / norms_x / norms_y).astype(float), rtol=1e-12)
    np.testing.assert_allclose(found.relative_l2, distance.astype(float), rtol=1e-12)
    np.testing.assert_array_equal(found.max_abs, np.abs(y - x).max(1).astype(float))
    np.testing.assert_allclose(found.scale, slopes.astype(float), rtol=1e-12)
    np.testing.assert_array_equal(found.changed, distance > 0.5)
    np.testing.assert_array_equal(found.sign_flips, (np.sign(a) != np.sign(b)).reshape(len(a), -1).sum(1))
    scaled = (slopes[:, None] * x).ravel()
    assert whole.cosine == pytest.approx(float(x.ravel() @ y.ravel() / norms(x) / norms(y)), rel=1e-12)
    assert whole.cosine_scaled == pytest.approx(
        float(scaled @ y.ravel() / norms(scaled) / norms(y)), rel=1e-9
    )
    assert whole.relative_l2 == pytest.approx(float(norms(y - x) / norms(x)), rel=1e-12)
    assert (whole.cosine_min, whole.max_abs) == (found.cosine.min(), found.max_abs.max())
    assert (whole.scale, whole.scale_min) == (np.median(found.scale), found.scale.min())
    assert (whole.changed, whole.sign_flips) == (found.changed.sum(), found.sign_flips.sum())


def norms(values: np.ndarray) -> np.longdouble:
    return np.sqrt((values * values).sum())


def test_equal_banks_are_exactly_equal() -> None:
    bank = random(64, 32, 3, 3)
    whole = total(difference(bank, bank.copy()))
    assert (whole.cosine, whole.cosine_scaled, whole.cosine_min, whole.scale) == (1, 1, 1, 1)
    assert (whole.relative_l2, whole.max_abs, whole.changed, whole.sign_flips) == (0, 0, 0, 0)


def test_half_precision_differs_by_its_rounding() -> None:
    bank = random(64, 8, 3, 3)
    found = difference(bank, bank.astype(np.float16), 1e-5)
    assert found.changed.all()
    assert not difference(bank, bank.astype(np.float16), 1e-3).changed.any()
    assert (1 - found.cosine).max() < 1e-6


def test_zero_filters() -> None:
    a, b = np.zeros((4, 2, 3, 3), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    a[1], b[2], a[3], b[3] = 1, 1, 1, -1
    found = difference(a, b)
    np.testing.assert_array_equal(found.cosine, [1, 0, 0, -1])
    np.testing.assert_array_equal(found.relative_l2, [0, 1, np.nan, 2])
    np.testing.assert_array_equal(found.scale, [np.nan, 0, np.nan, -1])
    np.testing.assert_array_equal(found.changed, [False, True, True, True])
    np.testing.assert_array_equal(found.sign_flips, [0, 0, 0, 18])
    nothing = total(difference(np.zeros_like(a), np.zeros_like(a)))
    assert (nothing.cosine, nothing.cosine_scaled, nothing.relative_l2) == (1, 1, 0)
    assert all(math.isnan(value) for value in (nothing.scale, nothing.scale_min, nothing.scale_max))
    whole = total(found)
    assert (whole.scale_min, whole.scale, whole.scale_max) == (-1, -0.5, 0), "of the two that are defined"
    lost = total(difference(a, np.zeros_like(a)))
    assert (lost.cosine, lost.cosine_scaled, lost.relative_l2) == (0, 0, 1)
    made = total(difference(np.zeros_like(a), b))
    assert (made.cosine, made.cosine_scaled, made.changed) == (0, 0, 2)
    assert math.isnan(made.relative_l2)


def test_numbers_that_are_none() -> None:
    a = random(5, 2, 3, 3)
    a[0, 0, 0, 0], a[1, 1, 1, 1] = np.nan, np.inf
    b = a.copy()
    b[2] *= 2
    b[1, 0] = 7
    b[3, 0, 0, 0] = -np.inf
    found = difference(a, b)
    np.testing.assert_array_equal(found.finite, [False, False, True, False, True])
    for values in (found.cosine, found.relative_l2, found.max_abs, found.scale):
        np.testing.assert_array_equal(np.isnan(values), ~found.finite)
    np.testing.assert_array_equal(found.changed, [False, True, True, True, False])
    whole, finite = total(found), total(difference(a[[2, 4]], b[[2, 4]]))
    assert (whole.not_finite, whole.changed) == (3, 3)
    assert (whole.cosine, whole.scale_max) == (finite.cosine, finite.scale_max)
    nowhere = total(difference(np.full_like(a, np.nan), b))
    numbers = (nowhere.cosine, nowhere.cosine_scaled, nowhere.cosine_min, nowhere.relative_l2, nowhere.scale)
    assert all(math.isnan(number) for number in numbers)


@pytest.mark.parametrize("size", [1e-44, 1e-20, 1e20, 3e38])
def test_very_small_and_very_large_numbers(size: float) -> None:
    a = np.full((2, 3, 3), size, np.float32)
    b = -a
    whole = total(difference(a, b))
    assert (whole.cosine, whole.cosine_scaled, whole.scale) == pytest.approx((-1, 1, -1), abs=1e-12)
    assert whole.relative_l2 == pytest.approx(2)


BANKS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=3, max_dims=4, max_side=4), elements=st.floats(-8, 8, width=16)
)


@settings(deadline=None)
@given(bank=BANKS, data=st.data())
def test_scaling_filters_gives_the_scales_back(bank: np.ndarray, data: st.DataObject) -> None:
    factors = st.sampled_from([-4.0, -0.5, 0.25, 1.0, 2.0, 1024.0])  # which no product rounds
    scales = np.array(data.draw(st.lists(factors, min_size=len(bank), max_size=len(bank))), np.float32)
    scaled = bank * scales.reshape(-1, *[1] * (bank.ndim - 1))
    found = difference(bank, scaled)
    zero = ~bank.reshape(len(bank), -1).any(axis=1)
    np.testing.assert_allclose(found.scale, np.where(zero, np.nan, scales), rtol=1e-12)
    np.testing.assert_allclose(found.cosine, np.where(zero, 1, np.sign(scales)), rtol=1e-12)
    assert total(found).cosine_scaled == pytest.approx(1)
    np.testing.assert_array_equal(found.changed, ~zero & (scales != 1))


@settings(deadline=None)
@given(a=BANKS, seed=st.integers(0, 9))
def test_nothing_is_undefined_by_accident(a: np.ndarray, seed: int) -> None:
    b = random(*a.shape, seed=seed)
    found, whole = difference(a, b), total(difference(a, b))
    assert (np.abs(found.cosine) <= 1).all()
    assert -1 <= whole.cosine <= 1
    assert 0 <= whole.cosine_scaled <= 1
    assert (np.isnan(found.scale) == (found.squares_a == 0)).all()
