"""Copies among the filters of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from metric_banks import BROKEN, EXTREMES, bank, random_weights
from numpy.typing import NDArray

from filterkit.metrics.layer_statistics import RedundancyMetric


def measure(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    return RedundancyMetric().measure(bank(weights))["redundancy"]  # type: ignore[return-value]


def test_copies_up_to_scale_and_sign() -> None:
    weights = random_weights(5, 3, 3, 3)
    weights[2], weights[4] = 3 * weights[0], -0.01 * weights[1]
    found = measure(weights)
    assert found[[0, 1, 2, 4]] == pytest.approx([1, 1, 1, 1], abs=1e-6)
    assert (found <= 1).all()
    assert found[3] < 0.8


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (30, 4, 3, 3), (3, 2, 7), (4, 2, 3, 3, 3), (2500, 1, 2, 2)])
def test_against_every_pair(shape: tuple[int, ...]) -> None:
    weights = random_weights(*shape)
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = np.abs(flat @ flat.T)
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(measure(weights), cosines.max(axis=1), atol=1e-6)


def test_zeros_are_no_copies() -> None:
    weights = np.zeros((4, 2, 3, 3), np.float32)
    weights[3] = 1
    assert measure(weights).tolist() == [0, 0, 0, 0]


def test_a_filter_alone_has_none() -> None:
    assert np.isnan(measure(random_weights(1, 3, 3, 3))).all()


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_not_finite_is_left_out(value: float) -> None:
    weights = random_weights(4, 2, 3, 3)
    expected = measure(weights[[0, 2, 3]])
    weights[1, 0, 0, 0] = value
    found = measure(weights)
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[[0, 2, 3]], expected)


@pytest.mark.parametrize("scale", EXTREMES)
def test_extreme_weights(scale: np.floating) -> None:
    weights = np.array([[[1, 2, 3]], [[2, 4, 6]], [[3, 0, -1]]], scale.dtype) / 8
    np.testing.assert_allclose(measure(weights * scale), [1, 1, 0], atol=0.01)
