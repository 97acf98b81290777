"""Listing, counting and grouping filters."""

from __future__ import annotations

import numpy as np
import pytest
from small_network import FIRST

import filterkit


def test_conditions_order_and_limit(small: filterkit.Workbench) -> None:
    norms = np.sqrt((FIRST.astype(np.float64) ** 2).sum((1, 2, 3)))
    rows = small.filters("net/conv1", columns=["filter", "l2_norm"], sort="-l2_norm")
    assert rows.columns == ("filter", "l2_norm")
    np.testing.assert_allclose([row["l2_norm"] for row in rows], sorted(norms, reverse=True), rtol=1e-6)
    where = f"l2_norm >= {norms[0] * 0.999}"
    expected = sum(norms >= norms[0] * 0.999)
    assert small.count_filters("net/conv1", where=where) == expected
    assert len(small.filters("net/conv1", where=where)) == expected
    assert len(small.filters("net", limit=5)) == 5


def test_groups(small: filterkit.Workbench) -> None:
    rows = small.group_filters("net", by="layer", where="layer = 'conv1' and bias is not null")
    assert {row["layer"]: (row["filters"], row["total"]) for row in rows}["conv1"] == (4, 4)
    assert sum(row["filters"] for row in small.group_filters(by="model")) == 6 + 13
    with pytest.raises(filterkit.UsageError):
        small.group_filters("net", by="colour")


def test_rows_come_one_by_one(small: filterkit.Workbench) -> None:
    columns, rows = small.iter_filters("net")
    assert tuple(next(rows)) == columns
    assert len(list(rows)) == 5


def test_a_wrong_condition_has_a_hint(small: filterkit.Workbench) -> None:
    with pytest.raises(filterkit.UsageError) as caught:
        small.filters("net", where="l2_nrm > 1")
    assert "l2_norm" in str(caught.value.hint)
