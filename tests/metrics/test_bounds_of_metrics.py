"""Metrics of kernels and layers that no network has, but a stranger's model may claim: bounded, and NULL."""

from __future__ import annotations

import numpy as np
from metric_banks import bank, random_weights

from filterkit.metrics.basic import BasicMetrics
from filterkit.metrics.classic_type import ClassicType
from filterkit.metrics.energy import EnergyMetrics
from filterkit.metrics.filter_db import FilterDbMetrics
from filterkit.metrics.orientation import OrientationMetrics
from filterkit.metrics.redundancy import RedundancyMetric


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
