"""Metrics of kernels and layers that no network has, but a stranger's model may claim: bounded, and NULL."""

from __future__ import annotations

import numpy as np
import pytest
from metric_banks import bank, random_weights

from filterkit.metrics import spectral
from filterkit.metrics.basic import BasicMetrics
from filterkit.metrics.classic_type import ClassicType
from filterkit.metrics.energy import EnergyMetrics
from filterkit.metrics.layer_statistics import FilterDbMetrics, RedundancyMetric
from filterkit.metrics.orientation import OrientationMetrics


def test_a_kernel_of_a_million_weights_has_no_pattern_told() -> None:
    huge = bank(random_weights(2, 1, 1024, 1024))
    oriented, classic = OrientationMetrics().measure(huge), ClassicType().measure(huge)
    assert all(np.isnan(values).all() for values in oriented.values())  # type: ignore[arg-type]
    assert classic["classic_type"].tolist() == ["", ""]
    energy = EnergyMetrics().measure(huge)
    assert np.isnan(energy["separability"]).all()  # type: ignore[arg-type]
    assert np.isfinite(energy["dc_share"]).all()  # type: ignore[arg-type]


def test_the_largest_kernel_whose_pattern_is_told() -> None:
    y, x = np.mgrid[-16:16, -16:16] + 0.5
    slope = bank((x * np.exp(-(x**2 + y**2) / 50)).astype(np.float32)[np.newaxis, np.newaxis])
    assert ClassicType().measure(slope)["classic_type"].tolist() == ["edge"]
    np.testing.assert_allclose(OrientationMetrics().measure(slope)["orientation"], 0, atol=1e-6)  # type: ignore[arg-type]


def test_hundreds_of_thousands_of_filters_are_not_held_against_each_other() -> None:
    crowd = bank(random_weights(1 << 18, 1, 1, 2))
    assert np.isnan(RedundancyMetric().measure(crowd)["redundancy"]).all()  # type: ignore[arg-type]
    layer = FilterDbMetrics().measure_layer(crowd)
    assert np.isnan(layer["orthogonality"])
    assert np.isfinite(layer["variance_entropy"])


def test_sparsity_of_kernels_large_and_small() -> None:
    weights = random_weights(3, 2, 9, 9)
    weights[1, 0] = 0
    assert BasicMetrics().measure(bank(weights))["sparsity"].tolist() == [0, 0.5, 0]


def test_few_large_kernels_are_measured_as_many_are() -> None:
    alone = random_weights(5, 1, 15, 14)
    among = np.concatenate([alone, np.zeros((5, 99, 15, 14), np.float32)], axis=1)
    one, many = OrientationMetrics().measure(bank(alone)), OrientationMetrics().measure(bank(among))
    for column, values in one.items():
        np.testing.assert_allclose(values, many[column], rtol=1e-9)  # type: ignore[arg-type]


def test_the_kernels_of_many_filters_vary_as_those_of_one() -> None:
    weights = random_weights(300, 1, 15, 15)
    apart, together = (FilterDbMetrics().measure_layer(bank(w)) for w in (weights, weights.swapaxes(0, 1)))
    np.testing.assert_allclose(apart["variance_entropy"], together["variance_entropy"], rtol=1e-9)


def test_a_filter_of_ten_thousands_of_kernels_looks_as_a_few_of_them_do() -> None:
    few = random_weights(1, 3, 3, 3) + np.float32([[-1, 0, 1]] * 3)
    some, many = (ClassicType().measure(bank(np.tile(few, (1, times, 1, 1)))) for times in (1, 20_000))
    assert some["classic_kernel"] == many["classic_kernel"] and some["classic_type"] == many["classic_type"]
    np.testing.assert_allclose(some["classic_score"], many["classic_score"], rtol=1e-5)  # type: ignore[arg-type]


def test_a_matrix_whose_eigenvalues_lie_side_by_side_is_not_followed_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spectral, "MOST_STEPS", 64)
    size = 200
    matrix = np.eye(size, dtype=np.float32) + np.eye(size, k=-1, dtype=np.float32)
    measured = spectral.SpectralMetrics().measure_layer(bank(matrix[..., np.newaxis, np.newaxis]))
    largest = np.log10(4 * np.cos(np.pi / (2 * size + 1)) ** 2)
    assert largest - 2e-3 < measured["log_spectral_norm"] < largest - 1e-6
