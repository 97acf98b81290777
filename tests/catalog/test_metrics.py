"""Metrics of plugins at an ingest: where their numbers go, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import put

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters
from filterkit.catalog.addresses import resolve
from filterkit.catalog.filters import FILTER_COLUMNS
from filterkit.errors import PluginContractError
from filterkit.metrics.basic import BasicMetrics
from filterkit.records import FilterBank


class _Extra:
    """A plugin's metric."""

    columns = ("loudness", "kind")

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels, dtype=np.float64)
        numbers[0] = np.nan
        return {
            "loudness": numbers,
            "kind": np.array(["odd" if n % 2 else "even" for n in range(len(numbers))]),
        }


def test_metrics_of_plugins_can_be_searched_and_seen(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny, metrics=[BasicMetrics(), _Extra()], plugins={"core": "1", "loud": "2.0"})
    columns, rows = filters.filters(
        catalog, parse_address("tiny/conv2"), where="loudness >= 2 and kind = 'even'", sort="-loudness"
    )
    assert columns == (*FILTER_COLUMNS, "loudness", "kind")
    assert [(row["filter"], row["loudness"], row["kind"]) for row in rows] == [(4, 4, "even"), (2, 2, "even")]
    _, rows = filters.filters(catalog, parse_address("tiny/conv2/0"))
    assert next(rows)["loudness"] is None
    [match] = resolve(catalog, parse_address("tiny/conv1"))
    assert match.model["plugins"] == {"core": "1", "loud": "2.0"}


class _Extreme:
    """A plugin's metric of numbers at the ends."""

    columns = ("endless", "count")
    layer_columns = ("total",)

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        endless = np.full(bank.out_channels, np.inf)
        endless[::2] *= -1
        count = np.full(bank.out_channels, 2**63 - 1, np.uint64)
        count[0] = 2**63 + 1
        return {"endless": endless, "count": count}

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        return {"total": float("inf")}


def test_of_plugins_numbers_infinities_are_not_kept_and_the_largest_are_rounded(
    catalog: Catalog, tiny: Path
) -> None:
    put(catalog, tiny, metrics=[BasicMetrics(), _Extreme()])
    _, found = filters.filters(catalog, parse_address("tiny/conv2"))
    rows = list(found)
    assert {row["endless"] for row in rows} == {None}
    assert [row["count"] for row in rows[:2]] == [float(2**63), 2**63 - 1]
    _, found = filters.filters(catalog, parse_address("tiny"), where="total is null")
    assert next(found)


class _Named:
    """A metric that is called as a column of the catalog."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        return {self.columns[0]: np.zeros(bank.out_channels)}

    def __str__(self) -> str:
        return "strange/named"


@pytest.mark.parametrize(
    ("metrics", "owners"),
    [
        ([BasicMetrics(), BasicMetrics()], r"'mean' comes from BasicMetrics\(\) and from BasicMetrics\(\)"),
        ([BasicMetrics(), _Named("std")], r"'std' comes from BasicMetrics\(\) and from strange/named"),
        ([_Named("bias")], "'bias' comes from filterkit itself and from strange/named"),
        ([_Named("filter")], "'filter' comes from filterkit itself and from strange/named"),
        ([_Named("twice", "twice")], "'twice' comes from strange/named and from strange/named"),
        ([_Named("macs")], "'macs' comes from filterkit itself and from strange/named"),
    ],
)
def test_metrics_that_clash_are_refused(catalog: Catalog, tiny: Path, metrics: Any, owners: str) -> None:
    with pytest.raises(PluginContractError, match=owners):
        put(catalog, tiny, metrics=metrics)


def test_a_metric_may_take_the_place_of_the_built_in_ones(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny, metrics=[_Named("mean")])
    _, rows = filters.filters(catalog, parse_address("tiny"))
    assert {(row["mean"], row["std"]) for row in rows} == {(0.0, None)}
