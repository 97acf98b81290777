"""Listings of models and layers, and columns by qualified names (``table.column``)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import write_model

import filterkit
from filterkit.catalog.listings import QUALIFIED, searchable
from filterkit.errors import UnknownNameError, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry


class Both:
    """A metric of filters and layers with one name: the number of a filter, and minus one."""

    columns = ("both", "of_filters")
    layer_columns = ("both", "of_layers")

    def measure(self, bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels, dtype=np.float64)
        return {"both": numbers, "of_filters": numbers}

    def measure_layer(self, bank: filterkit.FilterBank) -> dict[str, float]:
        return {"both": -1.0, "of_layers": -2.0}


def workbench(catalog: Path, *, plugin: bool) -> filterkit.Workbench:
    host = load_plugins(discover=False)
    if plugin:

        class Plugin:
            @filterkit.hookimpl
            def filterkit_metrics(self) -> list[filterkit.Contribution]:
                return [filterkit.Contribution("twice", "Both", Both)]

        host.add(Plugin(), name="filterkit-twice", version="1.0")
    return filterkit.Workbench(catalog, registry=Registry(host))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qualified")
    sparse = write_model(folder / "sparse.onnx", widths=(3, 6, 4))
    with workbench(folder / "catalog.db", plugin=True) as bench:
        bench.add(sparse)
        bench.add(write_model(folder / "wide.onnx", widths=(1, 9, 2, 3), seed=1))
    return folder / "catalog.db"


@pytest.fixture
def bench(catalog: Path) -> Iterator[filterkit.Workbench]:
    with workbench(catalog, plugin=True) as opened:
        yield opened


def test_every_qualified_name_is_a_column_condition_and_order(bench: filterkit.Workbench) -> None:
    names = [*QUALIFIED, "filter.both", "layer.both", "filter.of_filters", "layer.of_layers"]
    rows = bench.filters("*", columns=names)
    assert [list(row) for row in rows] == [names] * len(bench.filters("*"))
    for name in names:
        known = sum(row[name] is not None for row in rows)
        assert bench.count_filters("*", where=f"{name} is not null") == known, name
        assert len(bench.filters("*", sort=name)) == len(bench.filters("*", sort=f"-{name}")) == len(rows)


def test_they_are_what_sql_says(bench: filterkit.Workbench) -> None:
    names = [name for name in QUALIFIED if "shape" not in name]
    aliases = ", ".join(f'{name} AS "{name}"' for name in names)
    expected = bench.query(
        f"SELECT {aliases} FROM filter JOIN layer ON layer.id = layer_id JOIN model ON model.id = model_id "
        "ORDER BY layer.id, filter.position"
    )
    found = bench.filters("*", columns=names)
    for row, known in zip(found, expected, strict=True):
        for name in names:
            value = known[name]
            assert row[name] == value or str(row[name]).replace("'", '"').replace(" ", "") == value, name


@pytest.mark.parametrize(
    ("plain", "qualified", "other"),
    [
        ("sparsity", "filter.sparsity", "layer.sparsity"),
        ("position", "layer.position", "filter.position"),
        ("filter", "filter.position", "layer.position"),
        ("filters", "layer.filters", "model.filters"),
        ("kernels", "layer.kernels", "model.kernels"),
        ("parameters", "layer.parameters", "model.parameters"),
        ("both", "filter.both", "layer.both"),
        ("layer", "layer.name", "model.name"),
        ("model", "model.name", "layer.name"),
        ("batchnorm_scale", "filter.batchnorm_scale", "layer.batchnorm"),
    ],
)
def test_what_a_name_without_a_table_means(
    bench: filterkit.Workbench, plain: str, qualified: str, other: str
) -> None:
    rows = bench.filters("*", columns=[plain, qualified, other])
    assert all(row[plain] == row[qualified] for row in rows)
    if plain not in ("sparsity", "batchnorm_scale"):
        assert any(row[plain] != row[other] for row in rows)
    assert bench.count_filters("*", where=f"{plain} = {qualified} or {plain} is null") == len(rows)


def test_layers_by_their_place_and_filters_by_theirs(bench: filterkit.Workbench) -> None:
    where = "layer.position = 1 and filter.position < 2 and model.layers = 3"
    rows = bench.filters("*", where=where, sort="-filter.position")
    assert [row["address"] for row in rows] == ["wide/conv2/1", "wide/conv2/0"]
    assert bench.group_filters("*", by="model", where="layer.position = 2")[0]["model"] == "wide"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("layer.positon", "did you mean 'layer.position'"),
        ("filter.sparsty", "did you mean 'filter.sparsity'"),
        ("model.parameter", "did you mean 'model.parameters'"),
        ("positon", "'layer.position'"),
        ("layers.position", "'layer.position'"),
        ("layer.zzzzz", "known: layer."),
    ],
)
def test_what_is_no_column_names_those_of_the_table(bench: filterkit.Workbench, name: str, hint: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: bench.filters("*", where=f"{name} = 1"),
        lambda: bench.filters("*", sort=name),
        lambda: bench.filters("*", columns=[name]),
        lambda: bench.count_filters("*", where=f"{name} = 1"),
        lambda: bench.group_filters("*", by="layer", where=f"{name} = 1"),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownNameError) as caught:
            attempt()
        assert f"there is no column '{name}'" in caught.value.message
        assert hint in str(caught.value.hint)
        assert caught.value.name == name


@pytest.mark.parametrize("name", ["layer.id", "filter.layer_id", "layer.extra", "skipped.op"])
def test_keys_records_and_other_tables_are_no_columns(bench: filterkit.Workbench, name: str) -> None:
    with pytest.raises(UsageError, match="no column"):
        bench.filters("*", where=f"{name} is null")


@pytest.mark.parametrize("text", ["layer. position = 1", "layer .position = 1", ".position = 1", "a.b.c = 1"])
def test_points_stand_between_table_and_column_alone(bench: filterkit.Workbench, text: str) -> None:
    with pytest.raises(UsageError, match="condition, character"):
        bench.filters("*", where=text)


def test_no_name_is_in_two_tables_without_a_rule() -> None:
    assert all("." not in name or name in QUALIFIED for name in searchable())


@pytest.mark.parametrize("sort", ["l2_norm", "-both", "layer.sparsity"])
def test_an_order_of_groups_is_by_columns_of_groups(bench: filterkit.Workbench, sort: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        bench.group_filters("*", by="layer", sort=sort)
    assert "measure" not in str(caught.value.hint)


@pytest.mark.parametrize("column", ["both", "of_filters", "of_layers", "filter.both", "layer.of_layers"])
def test_a_metric_that_came_later_points_to_measure(tmp_path: Path, column: str) -> None:
    with workbench(tmp_path / "catalog.db", plugin=False) as bench:
        bench.add(write_model(tmp_path / "tiny.onnx"))
        with pytest.raises(UnknownNameError) as caught:
            bench.filters("tiny", where=f"{column} > 1")
        assert "measure" not in str(caught.value.hint)
    with workbench(tmp_path / "catalog.db", plugin=True) as bench:
        attempts: list[Callable[[], object]] = [
            lambda: bench.filters("tiny", where=f"{column} >= -5"),
            lambda: bench.filters("tiny/conv1/0:2", sort=f"-{column}"),
            lambda: bench.filters("tiny", columns=["address", column]),
            lambda: bench.count_filters("tiny", where=f"{column} >= -5"),
            lambda: bench.group_filters("tiny", by="layer", where=f"{column} >= -5"),
        ]
        for attempt in attempts:
            with pytest.raises(UnknownNameError, match="there is no column") as caught:
                attempt()
            assert caught.value.hint == (
                "metric twice of filterkit-twice fills it, but was not computed yet: filterkit measure tiny"
            )
        with pytest.raises(UnknownNameError) as caught:
            bench.count_filters("*", where=f"{column} >= -5")
        assert str(caught.value.hint).endswith("filterkit measure '*'")
        name = column.rpartition(".")[2]
        with pytest.raises(UnknownNameError) as caught:
            bench.query(f"SELECT {name} FROM filter")
        assert str(caught.value.hint).endswith("filterkit measure '*'")
        bench.measure("tiny")
        with pytest.raises(UnknownNameError) as caught:
            bench.query(f"SELECT {name} FROM filter")
        assert f"json_extract(extra, '$.{name}')" in str(caught.value.hint)
        for attempt in attempts:
            attempt()
        assert bench.count_filters("tiny", where=f"{column} >= -5") == 9


def test_listing_imports_neither_alembic_nor_onnx(shared: Path) -> None:
    code = (
        "import sys; from filterkit.catalog import Catalog, listings\n"
        f"with Catalog.open({str(shared)!r}) as catalog: assert listings.models(catalog)\n"
        "print({'alembic', 'onnx', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
