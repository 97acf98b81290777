"""Rows come in the same order where SQLite reverses the order of all rows whose order is not specified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import filterkit
from filterkit.address import parse_address
from filterkit.catalog import Catalog
from filterkit.catalog.addresses import resolve
from filterkit.catalog.stats import distributions

GROUPS = ("model", "layer", "classic_type", "model,in_channels", "classic_type,layer", "kernel_shape")
QUESTIONS: dict[str, Any] = {
    "models": lambda bench: bench.models(),
    "layers": lambda bench: bench.layers("*"),
    "filters": lambda bench: bench.filters("*"),
    "sorted filters": lambda bench: bench.filters("*", sort="in_channels", limit=9),
    "filters that meet a condition": lambda bench: bench.filters("*", where="l2_norm > 0.1", limit=20),
    **{
        f"filters by {by} {options}": lambda bench, by=by, options=options: bench.group_filters(
            by=by, **options
        )
        for by in GROUPS
        for options in ({}, {"where": "position < 2", "agg": "max:l2_norm"}, {"sort": "filters", "limit": 3})
    },
    "statistics": lambda bench: bench.stats("*"),
    "similar": lambda bench: bench.similar("tiny/conv1/0", limit=5),
    "duplicates": lambda bench: bench.duplicates("*", threshold=0.1),
    "differences": lambda bench: bench.diff("tiny", "tiny", level="filter"),
}


@contextmanager
def reversed_rows() -> Iterator[None]:
    def reverse(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA reverse_unordered_selects = 1")

    sa.event.listen(sa.Engine, "connect", reverse)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", reverse)


def answer(path: Path, question: Any) -> Any:
    with filterkit.open(path, progress=False) as bench:
        return [list(row.items()) for row in question(bench)]


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_order_of_rows_is_specified(shared: Path, name: str) -> None:
    expected = answer(shared, QUESTIONS[name])
    assert expected
    with reversed_rows():
        assert answer(shared, QUESTIONS[name]) == expected


def test_the_order_of_values_is_specified(reading: Catalog, shared: Path) -> None:
    layers = [match.layer for match in resolve(reading, parse_address("*"))]
    ids = {layer["id"]: layer["name"] for layer in layers}
    expected = distributions(reading, ids, ("l2_norm", "bias"))
    with reversed_rows(), Catalog.open(shared) as other:
        assert distributions(other, ids, ("l2_norm", "bias")) == expected
