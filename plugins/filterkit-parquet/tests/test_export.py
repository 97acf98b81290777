"""Whole catalogs: the same queries with SQLite, DuckDB and Polars, and all files or none."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import filterkit
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filterkit.testing import check_command, tiny_catalog

import filterkit_parquet
from filterkit_parquet.export import export

TABLES = {"model": "models", "layer": "layers", "filter": "filters", "skipped": "skipped"}
FILES = sorted(f"{name}.parquet" for name in TABLES.values())


@pytest.fixture(scope="module")
def folder(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parent") / "deep" / "exported"
    with filterkit.open(catalog) as bench:
        export(bench, folder)
    return folder


def in_sqlite(catalog: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(sql).fetchall()


def in_duckdb(folder: Path, sql: str) -> list[Any]:
    with duckdb.connect() as connection:
        for table, name in TABLES.items():
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder / name}.parquet'")
        return connection.execute(sql).fetchall()


def test_the_command_keeps_what_commands_promise() -> None:
    check_command(filterkit_parquet, "export-catalog exported", "export-catalog .")


def test_the_same_question_in_sqlite_duckdb_and_polars(catalog: Path, folder: Path) -> None:
    question = """
        SELECT model.name, count(*), count(DISTINCT layer.id), sum(filter.l2_norm), max(layer.receptive_field)
        FROM filter JOIN layer ON layer.id = filter.layer_id JOIN model ON model.id = layer.model_id
        WHERE layer.spatial_rank = 2 AND filter.std > 0.1
        GROUP BY model.name ORDER BY model.name
    """
    asked = in_sqlite(catalog, question)
    assert len(asked) > 3
    assert in_duckdb(folder, question) == [pytest.approx(row) for row in asked]
    layers = pl.scan_parquet(folder / "layers.parquet").filter(pl.col("spatial_rank") == 2)
    found = (
        pl.scan_parquet(folder / "filters.parquet")
        .filter(pl.col("std") > 0.1)
        .join(layers, left_on="layer_id", right_on="id", suffix="_of_layer")
        .group_by("model")
        .agg(
            pl.len(),
            pl.col("layer_id").n_unique(),
            pl.col("l2_norm").sum(),
            pl.col("receptive_field").max(),
        )
        .sort("model")
        .collect()
    )
    assert found.rows() == [pytest.approx(row) for row in asked]


def test_lists_are_lists(catalog: Path, folder: Path) -> None:
    asked = in_sqlite(catalog, "SELECT count(*) FROM layer WHERE kernel_shape = '[3,3]'")
    assert asked[0][0] > 0
    assert in_duckdb(folder, "SELECT count(*) FROM layer WHERE kernel_shape = [3, 3]") == asked
    layers = pl.read_parquet(folder / "layers.parquet")
    assert layers.filter(pl.col("kernel_shape") == [3, 3]).height == asked[0][0]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_and_column_of_the_catalog_is_there(catalog: Path, folder: Path, table: str) -> None:
    exported = pq.read_table(folder / f"{TABLES[table]}.parquet")
    with closing(sqlite3.connect(catalog)) as connection:
        connection.row_factory = sqlite3.Row
        keys = "id" if table in ("model", "layer") else "1, 2"
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY {keys}").fetchall()
    assert exported.num_rows == len(rows) > 0
    for name in set(rows[0].keys()) - {"extra"}:
        expected = [row[name] for row in rows]
        if pa.types.is_list(exported[name].type):
            expected = [json.loads(value) if value else None for value in expected]
            if name in ("input_shape", "output_shape"):
                expected = [value and list(map(str, value)) for value in expected]
        assert exported[name].to_pylist() == expected, name


def test_addresses_are_those_of_filterkit(catalog: Path, folder: Path) -> None:
    with filterkit.open(catalog) as bench:
        for name, rows in (("layers", bench.layers()), ("filters", bench.filters())):
            exported = pq.read_table(folder / f"{name}.parquet")
            assert exported["address"].to_pylist() == [row["address"] for row in rows]
            assert exported["model"].to_pylist() == [row["model"] for row in rows]


def test_columns_have_their_type_where_nothing_is_known(tmp_path: Path) -> None:
    with filterkit.open(tiny_catalog(tmp_path, ["plain"])) as bench:
        export(bench, tmp_path)
    assert pq.read_table(tmp_path / "skipped.parquet").num_rows == 0
    filters = pq.read_schema(tmp_path / "filters.parquet")
    assert (filters.field("label").type, filters.field("batchnorm_scale").type) == (pa.string(), pa.float64())


@pytest.mark.parametrize("kinds", [["plain"], ["conv1d", "computed"]])
def test_types_are_those_of_every_other_export(folder: Path, tmp_path: Path, kinds: list[str]) -> None:
    with filterkit.open(tiny_catalog(tmp_path, kinds)) as bench:
        export(bench, tmp_path)
    for name in TABLES.values():
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert schema.equals(pq.read_schema(folder / f"{name}.parquet"))
        assert "null" not in str(schema.types)


def test_metrics_of_plugins_are_columns(catalog: Path, tmp_path: Path) -> None:
    shutil.copytree(catalog.parent, tmp_path / "copy")
    changed = tmp_path / "copy" / "catalog.db"
    with closing(sqlite3.connect(changed)) as connection, connection:
        connection.execute("UPDATE model SET extra_metrics = json_array('leading')")
        connection.execute("UPDATE model SET extra_layer_metrics = json_array('nuclear')")
        connection.execute(
            "UPDATE filter SET extra = json_object('leading', position + 0.5) WHERE layer_id = 1"
        )
        connection.execute('UPDATE layer SET extra = \'{"nuclear": "text"}\' WHERE id = 1')
    with filterkit.open(changed) as bench:
        export(bench, tmp_path)
    filters, layers = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("filters", "layers"))
    assert "extra" not in filters.columns
    assert filters.filter(pl.col("layer_id") == 1)["leading"].to_list()[:2] == [0.5, 1.5]
    assert filters["leading"].null_count() == filters.filter(pl.col("layer_id") != 1).height
    assert layers["nuclear"][0] == "text"


def test_earlier_files_are_replaced_and_others_stay(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "models.parquet").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    with filterkit.open(catalog) as bench:
        counts = export(bench, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "notes.txt"])
    assert {path.name: count for path, count in counts.items()} == {
        name: pq.read_table(tmp_path / name).num_rows for name in FILES
    }


class Interrupted(filterkit.Workbench):
    """Fails, or creates a folder in the way, or adds a model to the catalog, when filters are read."""

    failure: BaseException | None = None
    taken: Path | None = None

    def iter_query(self, sql: str, **more: Any) -> tuple[tuple[str, ...], Iterator[Any]]:
        if "FROM filter" in sql:
            if self.failure:
                raise self.failure
            if self.taken:
                self.taken.mkdir()
                return super().iter_query(sql, **more)
            with closing(sqlite3.connect(self.location)) as connection, connection:
                connection.execute("UPDATE model SET name = name || '2' WHERE id = 1")
        return super().iter_query(sql, **more)


@pytest.mark.parametrize("failure", [OSError("full"), KeyboardInterrupt(), None])
@pytest.mark.parametrize("there", [True, False])
def test_all_files_or_none(catalog: Path, tmp_path: Path, failure: BaseException | None, there: bool) -> None:
    shutil.copytree(catalog.parent, tmp_path / "copy")
    folder = tmp_path / "exported"
    if there:
        folder.mkdir()
        (folder / "models.parquet").write_text("old")
    expected = type(failure) if failure else filterkit.FilterkitError
    with Interrupted(tmp_path / "copy" / "catalog.db") as bench:
        bench.failure = failure
        with pytest.raises(expected):
            export(bench, folder)
    assert folder.exists() == there
    if there:
        assert [path.name for path in folder.iterdir()] == ["models.parquet"]
        assert (folder / "models.parquet").read_text() == "old"


def test_a_folder_in_the_way_is_told_before_anything_is_replaced(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "models.parquet").write_text("old")
    (tmp_path / "skipped.parquet").mkdir()
    with filterkit.open(catalog) as bench, pytest.raises(filterkit.FilterkitError, match="is a folder"):
        export(bench, tmp_path)
    assert (tmp_path / "models.parquet").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("models", "no file has been replaced"),
        ("filters", "already replaced: models.parquet, layers.parquet"),
    ],
)
def test_a_rename_that_fails_says_what_is_new_already(
    catalog: Path, tmp_path: Path, name: str, state: str
) -> None:
    folder = tmp_path / "exported"
    with Interrupted(catalog) as bench:
        bench.taken = folder / f"{name}.parquet"
        with pytest.raises(filterkit.FilterkitError, match=rf"cannot be replaced .*: {state}(\n|$)"):
            export(bench, folder)
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == set(re.findall(r"\w+\.parquet", state))


def test_the_files_and_their_rows_are_listed(tmp_path: Path) -> None:
    location = str(tiny_catalog(tmp_path, ["plain"]))
    line = [sys.executable, "-m", "filterkit", "export-catalog", str(tmp_path), "--catalog", location]
    listed = subprocess.run([*line, "--format", "json"], check=True, capture_output=True).stdout
    assert [(Path(row["file"]).stem, row["rows"]) for row in json.loads(listed)] == [
        ("models", 1),
        ("layers", 2),
        ("filters", 9),
        ("skipped", 0),
    ]
    listed = subprocess.run([*line, "--format", "parquet"], check=True, capture_output=True).stdout
    assert pl.read_parquet(listed)["rows"].to_list() == [1, 2, 9, 0]


def test_without_a_catalog_nothing_is_made(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "no.db") as bench, pytest.raises(filterkit.FilterkitError):
        export(bench, tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []
