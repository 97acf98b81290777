"""Listing, counting and grouping filters."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_network import FIRST

import filterkit
from filterkit.catalog import addresses, filters, listings


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


def test_models_are_resolved_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where it is reported which of them lack a metric."""
    with filterkit.open(tmp_path / "catalog.db") as bench:
        for name, metrics in (("bare", ()), ("full", None), ("other", ())):
            bench.add("classic", name=name, metrics=metrics)
        calls, models_named = [], addresses.models_named
        for module in (addresses, filters, listings):
            monkeypatch.setattr(
                module, "models_named", lambda *args: calls.append(args) or models_named(*args)
            )
        for address, lacking in (("*", ["bare", "other"]), ("bare", ["bare"]), ("[bf]*/emboss", ["bare"])):
            requests = (
                partial(bench.iter_filters, sort="-l2_norm"),
                partial(bench.iter_filters, columns=["address", "layer.sparsity"]),
                partial(bench.count_filters, where="dead = 0"),
                partial(bench.group_filters, by="classic_type"),
                partial(bench.group_filters, by="layer", agg="mean:l2_norm"),
            )
            for request in requests:
                calls.clear()
                reported: list[list[str]] = []
                request(address, unmeasured=reported.append)
                assert (reported, len(calls)) == ([lacking], 1), (address, request)
        reported = []
        bench.iter_filters("*", where="layer.position = 0", unmeasured=reported.append)
        bench.count_filters("full", where="dead = 0", unmeasured=reported.append)
        assert reported == []


def test_an_offset_gives_the_rows_after_it(small: filterkit.Workbench) -> None:
    sort = "-l2_norm"
    every = small.filters("net", columns="address", sort=sort)["address"]
    for offset in range(len(every) + 2):
        for limit in (None, 0, 2):
            found = small.filters("net", columns="address", sort=sort, limit=limit, offset=offset)["address"]
            assert found == every[offset:][:limit]


@pytest.mark.parametrize("offset", [-1, 1 << 63, 1.5, "two"])
def test_a_wrong_offset(small: filterkit.Workbench, offset: Any) -> None:
    with pytest.raises(filterkit.UsageError, match="offset"):
        small.filters("net", offset=offset)
    assert len(small.filters("net", offset=(1 << 63) - 1)) == 0


@pytest.mark.parametrize("options", [{"count": True}, {"group_by": "layer"}])
def test_an_offset_is_of_filters_only(small: filterkit.Workbench, options: dict[str, Any]) -> None:
    with pytest.raises(filterkit.UsageError, match=r"offset ha(s|ve) no effect"):
        small.filters("net", offset=1, **options)
