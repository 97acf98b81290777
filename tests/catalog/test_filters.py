"""Listing, counting and grouping filters."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, listings
from filterkit.catalog import filters as selected
from filterkit.catalog.filters import listing, select
from filterkit.catalog.groups import group_filters
from filterkit.errors import UsageError


def filters(catalog: Catalog, address: str, **options: Any) -> list[dict[str, Any]]:
    columns, rows = selected.filters(catalog, parse_address(address), **options)
    found = list(rows)
    assert all(tuple(row) == columns for row in found)
    return found


def test_filters_come_in_the_catalogs_order(reading: Catalog) -> None:
    addresses = [row["address"] for row in filters(reading, "*")]
    assert len(addresses) == 70 + 2 + 3 + 4 + 5
    assert addresses[:5] == [*(f"tiny/conv1/{n}" for n in range(4)), "tiny/conv2/0"]
    assert addresses[8:11] == ["tiny/conv2/4", "other/conv1/0", "other/conv1/1"]
    assert addresses[-4:] == ["other/conv2/1", *(f"other/conv3/{n}" for n in range(3))]


def test_filters_of_an_address(reading: Catalog) -> None:
    assert [row["filter"] for row in filters(reading, "other/conv1/60:,3")] == [3, *range(60, 70)]
    [row] = filters(reading, "tiny/conv2/-1")
    assert (row["model"], row["layer"], row["filter"], row["bias"]) == ("tiny", "conv2", 4, None)


def test_sort_and_limit(reading: Catalog) -> None:
    everything = filters(reading, "*")
    largest = filters(reading, "*", sort="-l2_norm", limit=5)
    assert largest == sorted(everything, key=lambda row: -row["l2_norm"])[:5]
    by_layer = filters(reading, "*", sort="layer, -l2_norm")
    assert by_layer == sorted(everything, key=lambda row: (row["layer"], -row["l2_norm"]))
    assert by_layer == filters(reading, "*", sort=["layer", "-l2_norm"])
    smallest = filters(reading, "*", sort="l2_norm", limit=5)
    assert smallest == sorted(everything, key=lambda row: row["l2_norm"])[:5]
    assert filters(reading, "*", limit=0) == []
    biases = [row["bias"] for row in filters(reading, "*", sort="bias")]
    assert biases[-1] is None  # NULL comes last in either order
    assert filters(reading, "*", sort="-bias")[-1]["bias"] is None


def test_the_layers_columns_can_be_asked_too(reading: Catalog) -> None:
    assert {row["layer"] for row in filters(reading, "*", where="in_channels = 70")} == {"conv2"}
    assert {row["model"] for row in filters(reading, "*", where="receptive_field >= 7")} == {"other"}
    assert len(filters(reading, "tiny", where="kernel_shape = [3, 3] and address like 'tiny/conv1/%'")) == 4


@pytest.mark.parametrize(
    "sort", ["l3_norm", "l2_norm,l3_norm", "-l3_norm", "model; drop table model", "--mean"]
)
def test_sorting_by_what_is_no_column(reading: Catalog, sort: str) -> None:
    with pytest.raises(UsageError, match="no column"):
        filters(reading, "*", sort=sort)


def test_negative_limits_are_refused(reading: Catalog) -> None:
    with pytest.raises(UsageError, match="limit"):
        filters(reading, "*", limit=-1)


def test_a_reader_does_not_see_what_is_written_meanwhile(location: Any, tmp_path: Any) -> None:
    model = write_model(tmp_path / "wide.onnx", widths=(1, 3000))
    with Catalog.open(location, write=True) as writer, Catalog.open(location) as reader:
        put(writer, model, "wide")
        _, rows = selected.filters(reader, parse_address("wide"))
        first = next(rows)
        put(writer, write_model(tmp_path / "b.onnx", seed=5), "wide", replace=True)
        assert first["filter"] == 0
        assert len(list(rows)) == 2999
        assert len(filters(reader, "wide")) == 9


def test_columns_of_filter_and_layer_in_any_order(reading: Catalog) -> None:
    everything = filters(reading, "*")
    wanted = ["in_channels", "l2_norm", "address", "kernel_shape", "filter"]
    found = filters(reading, "*", columns=wanted)
    assert [list(row) for row in found] == [wanted] * len(everything)
    assert [(row["address"], row["l2_norm"], row["filter"]) for row in found] == [
        (row["address"], row["l2_norm"], row["filter"]) for row in everything
    ]
    layers = {row["address"]: row for row in listings.layers(reading, parse_address("*"))}
    for row in found:
        layer = layers[row["address"].rpartition("/")[0]]
        assert (row["in_channels"], row["kernel_shape"]) == (layer["in_channels"], layer["kernel_shape"])
    assert filters(reading, "tiny", columns=["address", "address"], limit=1) == [{"address": "tiny/conv1/0"}]
    assert filters(reading, "tiny", columns=["l1_norm"], sort="-l2_norm", limit=2) == [
        {"l1_norm": row["l1_norm"]} for row in filters(reading, "tiny", sort="-l2_norm", limit=2)
    ]
    with pytest.raises(UsageError, match="no column 'l2norm'") as caught:
        filters(reading, "*", columns=["address", "l2norm"])
    assert "'l2_norm'" in str(caught.value.hint)


def test_counting(reading: Catalog) -> None:
    for address, where in (
        ("*", None),
        ("other/conv1/3:9", None),
        ("tiny", "l2_norm > 1"),
        ("*", "filter = -1"),
    ):
        counted = selected.count_filters(reading, parse_address(address), where=where)
        assert counted == len(filters(reading, address, where=where)), (address, where)


def group(catalog: Catalog, address: str, by: str, **options: Any) -> list[dict[str, Any]]:
    columns, rows = group_filters(catalog, parse_address(address), by, **options)
    assert all(tuple(row) == tuple(columns) for row in rows)
    return rows


@pytest.mark.parametrize("address", ["*", "other", "*/conv1/1:"])
@pytest.mark.parametrize("by", ["layer", "model"])
def test_groups_are_what_counting_the_listing_gives(reading: Catalog, address: str, by: str) -> None:
    key = {"layer": lambda row: row["address"].rpartition("/")[0], "model": lambda row: row["model"]}[by]
    everything = Counter(key(row) for row in filters(reading, address))
    small = Counter(key(row) for row in filters(reading, address, where="l2_norm < 2"))
    assert 0 < small.total() < everything.total()
    name = {"layer": "address"}.get(by, by)
    assert [(row[name], row["filters"]) for row in group(reading, address, by)] == list(everything.items())
    for row in group(reading, address, by, where="l2_norm < 2"):
        filters_there = small.pop(row[name])
        assert (row["filters"], row["total"]) == (filters_there, everything[row[name]])
        assert row["rate"] == filters_there / everything[row[name]]
    assert not small, "a group is missing"
    shares = [row["share"] for row in group(reading, address, by, where="l2_norm < 2")]
    assert sum(shares) == pytest.approx(1)


def test_groups_in_order_and_bounded(reading: Catalog) -> None:
    assert [row["filters"] for row in group(reading, "*", "layer", sort="-filters", limit=2)] == [70, 5]
    assert [row["layer"] for row in group(reading, "*", "layer", sort="layer", limit=2)] == ["conv1", "conv1"]
    assert group(reading, "*", "layer", where="filter = -1") == []
    with pytest.raises(UsageError, match="no column 'layers'") as caught:
        group(reading, "*", "layers")
    assert "'layer'" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no column 'l2_norm'"):
        group(reading, "*", "layer", sort="l2_norm")
    with pytest.raises(UsageError, match="limit"):
        group(reading, "*", "layer", limit=-1)


@pytest.mark.parametrize("address", ["tiny", "tiny/conv1", "*/conv1", "tiny/conv1/0:2", "*"])
@pytest.mark.parametrize("sort", ["-orientation_strength", "orientation_strength", "-l2_norm", None])
@pytest.mark.parametrize("limit", [None, 3])
def test_the_index_answers_only_what_it_is_quick_for(
    reading: Catalog, address: str, sort: str | None, limit: int | None
) -> None:
    """The index is only for the first few of a type; other queries would read millions of rows."""
    chosen = select(reading, parse_address(address))
    asked = listing(
        *(chosen.kind, chosen.extra, chosen.extra_of_layers),
        columns=None,
        where="classic_type = 'edge' and classic_score > 0.9",
        sort=(sort,) if sort else (),
        limited=limit is not None,
    )
    with reading.read() as connection:
        bound = {**asked.values, "selected": chosen.value, "limit": -1 if limit is None else limit}
        parameters = [bound[name] for name in asked.parameters]
        explained = connection.execute(f"EXPLAIN QUERY PLAN {asked.statement}", parameters).fetchall()
    plan = " ".join(row[3] for row in explained)
    quick = address == "*" and sort in ("-orientation_strength", "orientation_strength") and limit is not None
    assert ("ix_filter_classic_type" in plan) == quick
    assert ("SCAN filter" in plan) == (address == "*" and not quick)
    if quick and sort == "-orientation_strength":
        assert "TEMP B-TREE" not in plan


def test_rows_are_the_same_with_and_without_the_index(location: Any, tmp_path: Any) -> None:
    random = np.random.default_rng(0)
    with Catalog.open(location, write=True) as catalog:
        for name in ("one", "two"):
            put(catalog, write_model(tmp_path / "net.onnx", widths=(1, 40, 3)), name)
        with catalog.begin() as connection:
            for layer_id, position in connection.execute(
                sa.text("SELECT layer_id, position FROM filter")
            ).all():
                strength = random.choice(["NULL", "0.25", "0.5", str(random.random())])
                kind = random.choice(["'edge'", "'blur'", "NULL"])
                connection.execute(
                    sa.text(
                        f"UPDATE filter SET classic_type = {kind}, orientation_strength = {strength} "
                        f"WHERE layer_id = {layer_id} AND position = {position}"
                    )
                )
        for sort in ("-orientation_strength", "orientation_strength"):
            everything = filters(catalog, "*", where="classic_type = 'edge'", sort=sort)
            assert len(everything) > 10
            for limit in (1, 7, 1000):
                some = filters(catalog, "*", where="classic_type = 'edge'", sort=sort, limit=limit)
                assert some == everything[:limit]
            assert (
                filters(catalog, "*/*", where="classic_type = 'edge'", sort=sort, limit=5) == everything[:5]
            )


def test_rows_that_nobody_reads_to_the_end_hold_nothing_up(location: Any, tmp_path: Any) -> None:
    with Catalog.open(location, write=True) as writer, Catalog.open(location) as reader:
        put(writer, write_model(tmp_path / "net.onnx", widths=(1, 3000)), "net")
        _, rows = selected.filters(reader, parse_address("*"))
        next(rows)
        del rows
        put(writer, write_model(tmp_path / "net.onnx", seed=1), "net", replace=True)
        assert len(filters(reader, "*")) == 9
        for path in (location, location.with_name(f"{location.name}-wal")):
            assert path.exists()
    assert not location.with_name(f"{location.name}-wal").exists()  # the last connection deletes it
