"""Axes of one weight do not count: a kernel of 1×3×3 measures as one of 3×3, by every metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_banks import bank, random_weights
from numpy.typing import NDArray

import filterkit
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

METRICS = Registry(load_plugins(discover=False)).metrics()


def measured(weights: NDArray[np.floating]) -> dict[str, Any]:
    """All that the built-in metrics say of a bank, by column."""
    found: dict[str, Any] = {}
    for metric in METRICS:
        if metric.columns:
            found |= {name: values.tolist() for name, values in metric.measure(bank(weights)).items()}
        if metric.layer_columns:
            found |= {f"layer.{name}": value for name, value in metric.measure_layer(bank(weights)).items()}
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, list) and value and isinstance(value[0], str):
            assert value == other[name], name
        else:
            assert value == pytest.approx(other[name], rel=1e-5, abs=1e-6, nan_ok=True), name


@settings(max_examples=60, deadline=None)
@given(
    sides=st.lists(st.integers(2, 5), min_size=0, max_size=3),
    places=st.permutations([0, 1, 2]),
    filters=st.sampled_from([1, 2, 3, 8]),
    channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_every_metric_looks_past_them(
    sides: list[int], places: list[int], filters: int, channels: int, seed: int
) -> None:
    spread = [1, 1, 1]
    for side, place in zip(sides, sorted(places[: len(sides)]), strict=True):
        spread[place] = side
    plain = random_weights(filters, channels, *(sides or [1]), seed=seed)
    same(measured(plain), measured(plain.reshape(filters, channels, *spread)))
    same(measured(plain), measured(plain.reshape(*plain.shape, 1)))


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 3), (3, 1, 3), (3, 3, 1)])
def test_the_threshold_of_3_x_3_is_that_of_its_volumes(shape: tuple[int, ...]) -> None:
    weights = random_weights(16, 4, *shape)
    layer = measured(weights)
    expected = 1.2618047 / (1 + math.exp(-0.88767525 * (math.log2(16) - 2.30436435))) - 0.31050834
    assert layer["layer.variance_entropy_normalized"] == pytest.approx(
        layer["layer.variance_entropy"] / expected
    )


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 9), (3, 1), (1, 3, 5), (2, 2), (9,)])
def test_others_have_none(shape: tuple[int, ...]) -> None:
    assert math.isnan(measured(random_weights(16, 4, *shape))["layer.variance_entropy_normalized"])


def test_through_a_catalog(tmp_path: Any) -> None:
    from onnx import TensorProto, helper, numpy_helper

    weights = random_weights(16, 3, 1, 3, 3)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", kernel_shape=[1, 3, 3])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "video.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "video.onnx")
        [row] = bench.stats("video")
    expected = measured(weights.reshape(16, 3, 3, 3))["layer.variance_entropy_normalized"]
    assert row["variance_entropy_normalized"] == pytest.approx(expected)
