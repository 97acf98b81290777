"""Counting filters by ranges and facets: every count is that of the condition which it stands for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import NotFoundError, UsageError


@pytest.fixture
def bench(tmp_path: Path) -> filterkit.Workbench:
    """A layer of 200 filters; one has a weight that is NaN, and one an infinite weight."""
    weights = random(200, 3, 3, 3)
    weights[7, 0, 0, 0], weights[9, 1, 1, 1] = np.nan, np.inf
    model = build([node("Conv", "x w", "y", name="conv")], {"x": [1, 3, 8, 8]}, {"w": weights})
    onnx.save(model, tmp_path / "net.onnx")
    bench = filterkit.open(tmp_path / "catalog.db", progress=False)
    bench.add(tmp_path / "net.onnx")
    return bench


@pytest.mark.parametrize(
    "column", ["l2_norm", "mean", "redundancy", "filter", "layer.filters", "orientation"]
)
@pytest.mark.parametrize("bins", [1, 4, 20, 1000])
def test_each_range_counts_the_filters_of_its_condition(
    bench: filterkit.Workbench, column: str, bins: int
) -> None:
    found = bench.histogram("net", column, bins=bins)
    assert 1 <= len(found) <= max(bins, 1)
    assert sum(found["filters"]) + found.without_value + found.infinite == 200
    for low, high, filters in zip(found["low"], found["high"], found["filters"], strict=True):
        where = f"{column} = {low!r}" if low == high else f"{column} >= {low!r} and {column} < {high!r}"
        assert bench.count_filters("net", where=where) == filters
    assert found["low"][1:] == found["high"][:-1]
    assert found.without_value == bench.count_filters("net", where=f"{column} is null")


def test_weights_that_are_no_numbers_are_counted_apart(bench: filterkit.Workbench) -> None:
    found = bench.histogram("net", "l2_norm")
    assert (found.column, found.without_value, found.infinite) == ("l2_norm", 2, 0)
    assert sum(found["filters"]) == 198


def test_the_condition_selects_what_is_counted(bench: filterkit.Workbench) -> None:
    whole = bench.histogram("net/conv/0:50", "mean", where="l2_norm > 5")
    assert sum(whole["filters"]) == bench.count_filters("net/conv/0:50", where="l2_norm > 5")
    none = bench.histogram("net", "mean", where="l2_norm > 1000")
    assert (len(none), none.without_value) == (0, 0)


def test_infinite_values_of_a_catalog_are_counted_apart(bench: filterkit.Workbench) -> None:
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("UPDATE filter SET mean = 9e999 WHERE position < 3")
        connection.execute("UPDATE filter SET std = 'x' WHERE position < 3")
    assert bench.histogram("net", "mean").infinite == 3
    with pytest.raises(filterkit.FilterkitError, match="corrupted"):
        bench.histogram("net", "std")


@pytest.mark.parametrize("column", ["classic_type", "kernel_shape", "address", "label"])
def test_a_column_without_numbers_is_refused(bench: filterkit.Workbench, column: str) -> None:
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("UPDATE filter SET label = 'a'")
    with pytest.raises(UsageError, match="no numbers") as caught:
        bench.histogram("net", column)
    assert "group_filters" in str(caught.value.hint)


@pytest.mark.parametrize("bins", [0, 1001, -1, 2.5])
def test_a_wrong_number_of_ranges_is_refused(bench: filterkit.Workbench, bins: int) -> None:
    with pytest.raises(UsageError, match="bins"):
        bench.histogram("net", bins=bins)


def test_what_does_not_exist_is_named(bench: filterkit.Workbench) -> None:
    with pytest.raises(UsageError, match="l3_norm"):
        bench.histogram("net", "l3_norm")
    with pytest.raises(NotFoundError):
        bench.histogram("nothing")
    with pytest.raises(NotFoundError):
        bench.facets("nothing")
    with pytest.raises(UsageError):
        bench.facets("net", where="l2_norm >")


def test_facets_count_the_filters_of_their_conditions(bench: filterkit.Workbench) -> None:
    with closing(sqlite3.connect(bench.path)) as connection, connection:
        connection.execute("UPDATE filter SET classic_type = 'o''dd' WHERE position < 3")
    for where in (None, "l2_norm > 5", "l2_norm > 5.5 or mean > 0"):
        found = bench.facets("net", where=where)
        assert {row["facet"] for row in found} == {"classic_type", "dead"}
        for row in found:
            whole = row["condition"] if where is None else f"({where}) and {row['condition']}"
            assert bench.count_filters("net", where=whole) == row["filters"]
        of_type = [row["filters"] for row in found if row["facet"] == "classic_type"]
        assert sum(of_type) == bench.count_filters("net", where=where)
        assert of_type == sorted(of_type, reverse=True)
