"""What holds for every built-in metric, whatever the weights, their order and their scale."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_banks import bank, random_weights
from numpy.typing import NDArray

from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

METRICS = {metric.contribution.name: metric for metric in Registry(load_plugins(discover=False)).metrics()}
SCALING = {"mean", "std", "min", "max", "l1_norm", "l2_norm", "log_norm", "log_spectral_norm"}
"""Columns that change with the scale of the weights."""

UNBOUNDED = SCALING | {"orientation", "variance_entropy_normalized", "stable_rank"}
"""Columns that may be more than 1."""

SHAPES = [(5, 3, 3, 3), (4, 1, 2, 2), (6, 2, 7), (3, 4, 1, 1), (2, 2, 2, 3, 3), (1, 3, 5, 4)]

each_metric = pytest.mark.parametrize("name", METRICS)


def measure(name: str, weights: NDArray[np.floating]) -> tuple[dict[str, Any], dict[str, float]]:
    measured = bank(weights, tuple("RGB") if weights.shape[1] == 3 else ())
    return METRICS[name].measure(measured), METRICS[name].measure_layer(measured)


def agree(one: Any, other: Any, column: str) -> None:
    if np.asarray(one).dtype.kind == "U":
        assert one.tolist() == other.tolist()
    else:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=column)


@each_metric
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(SHAPES), factor=st.floats(1e-3, 1e3))
def test_scale_and_order(name: str, seed: int, shape: tuple[int, ...], factor: float) -> None:
    weights = random_weights(*shape, seed=seed).astype(np.float64)
    filters, layer = measure(name, weights)
    scaled, scaled_layer = measure(name, weights * factor)
    order = np.random.default_rng(seed).permutation(len(weights))
    shuffled, shuffled_layer = measure(name, weights[order])
    for column, values in filters.items():
        agree(shuffled[column], values[order], column)
        if column not in SCALING:
            agree(scaled[column], values, column)
    for column, value in layer.items():
        agree(shuffled_layer[column], value, column)
        if column not in SCALING:
            agree(scaled_layer[column], value, column)


@each_metric
@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from((np.float64, np.float32, np.float16)),
        hnp.array_shapes(min_dims=3, max_dims=5, max_side=4),
        elements=st.floats(width=16),
        fill=st.sampled_from([0.0, 1.0]),
    )
)
def test_any_weights(name: str, weights: NDArray[np.floating]) -> None:
    weights.flags.writeable = False
    with warnings.catch_warnings():
        if name != "basic":  # which has whatever IEEE arithmetic gives
            warnings.simplefilter("error")
        filters, layer = measure(name, weights)
    finite = np.isfinite(weights.reshape(len(weights), -1)).all(axis=1)
    for column, values in filters.items():
        if values.dtype.kind == "f" and column not in UNBOUNDED:
            top = np.sqrt(3) / 2 if column == "frequency" else 1
            known = values[~np.isnan(values)]
            assert ((known >= 0) & (known <= top)).all(), column
        if values.dtype.kind == "f" and name not in ("basic", "classic"):
            assert np.isnan(values[~finite]).all(), column
    for column, value in layer.items():
        assert not np.isinf(value), column
        assert column in UNBOUNDED or np.isnan(value) or -1e-5 <= value <= 2, column
