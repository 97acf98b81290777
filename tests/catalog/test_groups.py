"""Grouping filters by any columns, with aggregates: against groups that Python makes of the listing."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest
import sqlalchemy as sa
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog
from filterkit.catalog.filters import filters
from filterkit.catalog.groups import group_filters
from filterkit.errors import FilterkitError, UnknownNameError, UsageError

Row = dict[str, Any]

PYTHON: dict[str, Callable[[list[Any]], Any]] = {
    "mean": lambda values: fmean(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "sum": lambda values: sum(values) if values else None,
    "count": len,
}


def group(catalog: Catalog, by: str, address: str = "*", **options: Any) -> list[Row]:
    columns, rows = group_filters(catalog, parse_address(address), by, **options)
    assert all(tuple(row) == tuple(columns) for row in rows)
    return rows


def groups_of(catalog: Catalog, by: list[str], values: list[str], where: str | None) -> dict[Any, list[Row]]:
    """The rows of the listing by their values of `by`."""
    _, rows = filters(catalog, parse_address("*"), columns=[*by, *values], where=where)
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(str(row[name]) for name in by), []).append(row)
    return found


@pytest.mark.parametrize("where", [None, "l2_norm < 2 and layer.position < 2"])
@pytest.mark.parametrize(
    "by", ["in_channels", "kernel_shape", "classic_type,model", "model.name,dead", "layer.filters"]
)
def test_aggregates_are_those_of_the_rows(reading: Catalog, by: str, where: str | None) -> None:
    columns = ["l2_norm", "bias", "classic_score", "parameters", "layer.sparsity"]
    agg = [f"{function}:{column}" for function in PYTHON for column in columns]
    expected = groups_of(reading, by.split(","), columns, where)
    rows = group(reading, by, agg=",".join(agg), where=where)
    assert len(rows) == len(expected)
    for row in rows:
        members = expected.pop(tuple(str(row[name]) for name in by.split(",")))
        assert row["filters"] == len(members)
        for each in agg:
            function, column = each.split(":")
            values = [member[column] for member in members if member[column] is not None]
            wanted = PYTHON[function](values)
            assert row[f"{function}_{column}"] == (None if wanted is None else pytest.approx(wanted)), each
    assert not expected
    assert rows == group(reading, by.split(","), agg=agg, where=where)  # type: ignore[arg-type]


def test_order_columns_and_limit(reading: Catalog) -> None:
    rows = group(reading, "model,in_channels")
    assert [row["model"] for row in rows] == sorted((row["model"] for row in rows), reverse=True)
    for name in ("tiny", "other"):
        counts = [row["filters"] for row in rows if row["model"] == name]
        assert counts == sorted(counts, reverse=True)
    rows = group(
        reading, "layer.name", agg="max:bias", sort="-max_bias,layer.name", columns="max_bias,filters"
    )
    assert [list(row) for row in rows] == [["max_bias", "filters"]] * 3
    known = [row["max_bias"] for row in rows if row["max_bias"] is not None]
    assert known == sorted(known, reverse=True)
    assert rows[: len(known)] == [row for row in rows if row["max_bias"] is not None]  # NULL comes last
    assert group(reading, "layer", limit=0) == []


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"by": "colour"}, "there is no column 'colour'", "did you mean"),
        ({"by": ""}, "group_by contains no name: ''", ""),
        ({"by": "filters"}, "the groups have a column 'filters' of their own", "layer.filters"),
        ({"agg": "l2_norm"}, "'l2_norm' is not FUNCTION:COLUMN", "mean:l2_norm"),
        ({"agg": "avg:l2_norm"}, "cannot compute the avg of groups", "did you mean 'mean'?"),
        ({"agg": "median:bias"}, "cannot compute the median of groups", "known: count, max, mean, min, sum"),
        ({"agg": "mean:l2norm"}, "there is no column 'l2norm'", "'l2_norm'"),
        ({"agg": "mean:classic_type"}, "classic_type contains texts, which have no mean", "count:"),
        ({"agg": "max:kernel_shape"}, "kernel_shape contains lists, which have no max", "count:"),
        ({"sort": "mean_bias"}, "there is no column 'mean_bias'", "known: "),
        ({"columns": "bias"}, "there is no column 'bias'", ""),
    ],
)
def test_wrong_use(reading: Catalog, options: Row, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        group(reading, **{"by": "layer", **options})
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


def test_metrics_of_plugins_may_be_numbers_or_texts(location: Any, tmp_path: Any) -> None:
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(tmp_path / "net.onnx", widths=(1, 4)), "net")
        with catalog.begin() as connection:
            connection.exec_driver_sql("""UPDATE model SET extra_metrics = '["odd"]'""")
            for position, value in enumerate(('"a"', "2", "4.5", "null")):
                connection.exec_driver_sql(
                    f"""UPDATE filter SET extra = '{{"odd":{value}}}' WHERE position = {position}"""
                )
        [row] = group(catalog, "model", agg="mean:odd,sum:odd,count:odd,max:odd,min:filter.odd")
        assert [row[name] for name in list(row)[-5:]] == [3.25, 6.5, 3, "a", 2]
        groups = {row["odd"]: row["filters"] for row in group(catalog, "odd")}
        assert groups == {"a": 1, 2: 1, 4.5: 1, None: 1}
        with pytest.raises(UnknownNameError):
            group(catalog, "even")
        with catalog.begin() as connection:
            connection.exec_driver_sql(f"UPDATE layer SET macs = {2**63 - 1}")
        with pytest.raises(FilterkitError, match="integer overflow"):
            group(catalog, "model", agg="sum:macs")
        assert group(catalog, "model", agg="mean:macs")[0]["mean_macs"] == pytest.approx(2.0**63)


@pytest.mark.parametrize("address", ["*", "*/*", "tiny/conv1", "*/conv1/0:2"])
@pytest.mark.parametrize(
    ("by", "options"),
    [
        ("model", {"agg": "mean:l2_norm"}),
        ("classic_type", {"agg": "mean:l2_norm"}),
        ("classic_type", {"where": "l2_norm > 1"}),
        ("layer.name,dead", {}),
    ],
)
def test_filters_are_read_in_the_order_in_which_they_are_stored(
    reading: Catalog, by: str, options: Row, address: str
) -> None:
    """With an index that leads to them in another order, a million of them take ten times as long."""
    run: list[tuple[str, Any]] = []
    with reading.connect() as connection:
        engine = connection.engine

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *more: Any) -> None:
        run.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        group(reading, by, address, **options)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    with reading.connect() as connection:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {run[-1][0]}", run[-1][1]).all()
    plan = " ".join(row[3] for row in found)
    assert "SEARCH filter USING PRIMARY KEY (layer_id=" in plan
    assert "ix_filter_classic_type" not in plan
