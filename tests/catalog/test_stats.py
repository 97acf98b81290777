"""Statistics of layers, computed from invented values of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS
from filterkit.catalog.stats import CLASSIC_TYPES, distributions, stats
from filterkit.errors import NotFoundError, UsageError
from filterkit.records import FilterBank


class _Filters:
    """Every second filter is an edge; the first is dead and has no frequency."""

    columns = ("classic_type", "dead", "frequency")
    layer_columns = ()

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels)
        return {
            "classic_type": np.array(["other" if n % 2 else "edge" for n in numbers]),
            "dead": numbers == 0,
            "frequency": np.where(numbers == 0, np.nan, numbers / 10),
        }


class _Layers:
    """One of the catalog's own metrics of layers, and two of a plugin."""

    columns = ()
    layer_columns = ("stable_rank", "roughness", "mood")

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        return {
            "stable_rank": float(bank.out_channels),
            "roughness": bank.in_channels / 2,
            "mood": float("nan"),
        }


@pytest.fixture
def measured(location: Path, tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(tmp_path / "a.onnx"), "a", metrics=[_Filters(), _Layers()])
        put(catalog, write_model(tmp_path / "b.onnx", widths=(1, 3), seed=1), "b")
        yield catalog


def test_one_row_per_layer(measured: Catalog) -> None:
    columns, rows, matches = stats(measured, parse_address("*"))
    assert tuple(columns) == (
        *("address", "model", "layer", "filters"),
        *LAYER_METRIC_COLUMNS,
        *("roughness", "mood", "dead"),
        *CLASSIC_TYPES,
    )
    assert all(tuple(row) == tuple(columns) for row in rows)
    assert [match.address for match in matches] == [row["address"] for row in rows]
    assert [(row["address"], row["filters"]) for row in rows] == [
        ("a/conv1", 4),
        ("a/conv2", 5),
        ("b/conv1", 3),
    ]
    assert [row["stable_rank"] for row in rows] == [4, 5, None]
    assert [row["roughness"] for row in rows] == [1.5, 2, None]
    assert [row["mood"] for row in rows] == [None] * 3
    assert [row["dead"] for row in rows] == [1, 1, None]
    assert [(row["edge"], row["other"], row["blur"]) for row in rows] == [
        (2, 2, 0),
        (3, 2, 0),
        (None, None, None),
    ]


def test_addresses_of_layers(measured: Catalog) -> None:
    def named(address: str) -> list[str]:
        return [row["address"] for row in stats(measured, parse_address(address))[1]]

    assert named("a") == ["a/conv1", "a/conv2"]
    assert named("*/conv1") == ["a/conv1", "b/conv1"]
    assert "roughness" not in stats(measured, parse_address("b"))[0], "not measured there"
    with pytest.raises(NotFoundError, match="no layer 'conv9'"):
        named("a/conv9")
    with pytest.raises(UsageError, match="names filters") as caught:
        named("a/conv1/0:2")
    assert str(caught.value.hint).startswith("a/conv1 ")


def test_distributions_leave_out_what_is_not_defined(measured: Catalog) -> None:
    addresses = {match.layer["id"]: match.address for match in stats(measured, parse_address("*"))[2]}
    found = distributions(measured, addresses | {99: "gone/conv"}, ("frequency", "l2_norm"))
    assert list(found) == ["a/conv1", "a/conv2", "b/conv1"]
    assert found["a/conv2"]["frequency"] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert found["a/conv2"]["l2_norm"] == []
    assert found["b/conv1"]["frequency"] == []
    assert len(found["b/conv1"]["l2_norm"]) == 3
