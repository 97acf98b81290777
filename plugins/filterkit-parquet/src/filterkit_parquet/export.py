"""A whole catalog as Parquet files: its tables, with the names of models and layers beside their keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import filterkit
import pyarrow as pa

from filterkit_parquet.writing import write_parquet

TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
"""What the catalog's columns hold; lists and records stand in it as JSON, and are told by their values."""


@dataclass(frozen=True)
class Export:
    """One file.

    Attributes
    ----------
    table
        Of the catalog.
    names
        Columns in front of the table's own: name to SQL over `tables`.
    tables
        The table and those that give it names, joined.
    order
        The columns that its rows are sorted by.
    metrics
        Column of `model` that lists the metrics of plugins, each of which gets a column.
    """

    table: str
    names: Mapping[str, str]
    tables: str
    order: str
    metrics: str | None = None


FILES = {
    "models": Export("model", {}, "model", "model.id"),
    "layers": Export(
        "layer",
        {"address": "model.name || '/' || layer.name", "model": "model.name"},
        "layer JOIN model ON model.id = layer.model_id",
        "layer.id",
        "extra_layer_metrics",
    ),
    "filters": Export(
        "filter",
        {
            "address": "model.name || '/' || layer.name || '/' || filter.position",
            "model": "model.name",
            "layer": "layer.name",
        },
        "filter JOIN layer ON layer.id = filter.layer_id JOIN model ON model.id = layer.model_id",
        "filter.layer_id, filter.position",
        "extra_metrics",
    ),
    "skipped": Export(
        "skipped",
        {"model": "model.name"},
        "skipped JOIN model ON model.id = skipped.model_id",
        "skipped.model_id, skipped.position",
    ),
}
"""Name of each file, without its suffix."""


def export(bench: filterkit.Workbench, folder: Path) -> dict[Path, int]:
    """Write `FILES` into `folder`, all of them or, where anything goes wrong, none.

    Parameters
    ----------
    folder
        Made where it is not there. Files of these names are replaced; others stay.

    Returns
    -------
    dict
        From each file to how many rows it holds.

    Raises
    ------
    filterkit.FilterkitError
        There is no such catalog, or it changed meanwhile.
    OSError
        The files cannot be written.
    """
    before = bench.query("SELECT * FROM model ORDER BY id", timeout=None)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=".export-catalog-", dir=folder) as working:
            counts = {}
            for name, wanted in FILES.items():
                with (Path(working) / f"{name}.parquet").open("wb") as file:
                    counts[folder / f"{name}.parquet"] = _write(bench, wanted, file)
            if bench.query("SELECT * FROM model ORDER BY id", timeout=None) != before:
                raise filterkit.FilterkitError("the catalog changed while it was exported", hint="try again")
            for path in counts:
                (Path(working) / path.name).replace(path)
    except BaseException:
        if made:
            folder.rmdir()
        raise
    return counts


def _write(bench: filterkit.Workbench, wanted: Export, file: Any) -> int:
    declared = _declared(bench, wanted.table)
    own = {name: f'{wanted.table}."{name}"' for name in declared if name != "extra"}
    metrics = {name: f"json_extract({wanted.table}.extra, '$.{name}')" for name in _metrics(bench, wanted)}
    columns = {**wanted.names, **own, **metrics}
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    query = f"SELECT {listed} FROM {wanted.tables} ORDER BY {wanted.order}"
    names, rows = bench.iter_query(query, timeout=None)
    known = {name: TYPES[declared[name]] for name in own if declared[name] in TYPES}
    known |= dict.fromkeys(wanted.names, pa.string())
    taken_apart = [name for name in own if declared[name] == "JSON"]
    return write_parquet(_without_json(rows, taken_apart), names, file, known)


def _declared(bench: filterkit.Workbench, table: str) -> dict[str, str]:
    """The columns of a table and their types, as its own definition says."""
    [row] = bench.query(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.execute(row["sql"])
        return {name: kind for _, name, kind, *_ in empty.execute(f"PRAGMA table_info('{table}')")}


def _metrics(bench: filterkit.Workbench, wanted: Export) -> list[str]:
    """The metrics of plugins that any model has, in alphabetical order."""
    if wanted.metrics is None:
        return []
    lists = bench.query(f"SELECT {wanted.metrics} AS names FROM model", timeout=None)
    return sorted({name for row in lists for name in json.loads(row["names"])})


def _without_json(rows: Iterator[Mapping[str, Any]], columns: list[str]) -> Iterator[dict[str, Any]]:
    """The rows with lists instead of their JSON; records stay as they are."""
    for row in rows:
        lists = {name: json.loads(row[name]) for name in columns if (row[name] or "").startswith("[")}
        yield {**row, **lists}
