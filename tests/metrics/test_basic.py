"""Plain statistics, against numpy in float64 and against small cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_banks import bank
from numpy.typing import NDArray

from filterkit.metrics.basic import BLOCK_WEIGHTS, BasicMetrics


def measure(weights: NDArray[np.floating]) -> dict[str, NDArray[np.generic]]:
    return BasicMetrics().measure(bank(weights))


def test_by_hand() -> None:
    weights = np.array([[[[3, -4]], [[0, 0]]], [[[1, 1]], [[1, 1]]]], np.float32)
    found = {name: values.tolist() for name, values in measure(weights).items()}
    assert found == {
        "mean": [-0.25, 1],
        "std": pytest.approx([np.sqrt(6.1875), 0]),
        "min": [-4, 1],
        "max": [3, 1],
        "l1_norm": [7, 4],
        "l2_norm": [5, 2],
        "sparsity": [0.5, 0],
    }


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from((np.float32, np.float16)),
        hnp.array_shapes(min_dims=3, max_dims=5, max_side=6),
        elements=st.floats(-1000, 1000, width=16),
    )
)
def test_against_numpy(weights: NDArray[np.floating]) -> None:
    found = measure(weights)
    flat = weights.astype(np.float64).reshape(len(weights), -1)
    peaks = np.abs(weights).max(axis=tuple(range(2, weights.ndim))).astype(np.float64)
    np.testing.assert_allclose(found["mean"], flat.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found["std"], flat.std(1), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found["min"], flat.min(1))
    np.testing.assert_array_equal(found["max"], flat.max(1))
    np.testing.assert_allclose(found["l1_norm"], np.linalg.norm(flat, 1, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found["l2_norm"], np.linalg.norm(flat, 2, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found["sparsity"], (peaks < peaks.max() / 100).mean(1))


def test_layers_larger_than_a_block() -> None:
    weights = np.random.default_rng(0).normal(size=(7, BLOCK_WEIGHTS // 27 + 1, 3, 3)).astype(np.float32)
    found = measure(weights)
    flat = weights.astype(np.float64).reshape(7, -1)
    np.testing.assert_allclose(found["std"], flat.std(1), rtol=1e-12)
    np.testing.assert_allclose(found["l1_norm"], np.abs(flat).sum(1), rtol=1e-12)


def test_spread_of_weights_that_lie_far_from_zero() -> None:
    weights = 1000 + np.random.default_rng(0).normal(size=(5, 4, 3, 3)).astype(np.float32)
    weights[1], weights[2] = 7, np.random.default_rng(1).normal(size=(4, 3, 3))
    np.testing.assert_allclose(
        measure(weights)["std"], weights.astype(np.float64).reshape(5, -1).std(1), rtol=1e-12
    )


def test_all_zero_is_defined() -> None:
    assert all(values.tolist() == [0, 0] for values in measure(np.zeros((2, 3, 3, 3), np.float32)).values())


def test_what_is_not_finite_spoils_its_own_filter_only() -> None:
    weights = np.ones((3, 2, 3, 3), np.float32)
    weights[0, 0, 1, 1], weights[1, 1, 0, 0] = np.nan, np.inf
    weights[2, 1] = 1e-3
    found = measure(weights)
    assert np.isnan(found["mean"][0])
    assert found["max"][1] == np.inf
    assert found["l1_norm"][2] == pytest.approx(9.009)
    assert found["sparsity"].tolist() == [0, 0, 0.5]


def test_the_input_is_left_alone() -> None:
    weights = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    before = weights.copy()
    weights.flags.writeable = False
    measure(weights)
    np.testing.assert_array_equal(weights, before)
