"""Export a whole catalog as Parquet files: its tables, with names of models and layers beside the keys."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import filterkit
import pyarrow as pa

from filterkit_parquet.writing import write_parquet

TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
"""Arrow types of the catalog's column types."""

RECORDS = ("preprocessing", "plugins")
"""JSON columns that are not lists."""


@dataclass(frozen=True)
class Export:
    """One file.

    Attributes
    ----------
    table
        Of the catalog.
    names
        Columns that precede the table's own: name to SQL over `tables`.
    tables
        The table, joined with those that its names come from.
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
    """Write `FILES` to `folder`: all of them or, if anything fails before they are renamed, none.

    Parameters
    ----------
    folder
        Created if missing. Existing files with these names are replaced; others stay.

    Returns
    -------
    dict
        From each file to its number of rows.

    Raises
    ------
    filterkit.FilterkitError
        If there is no such catalog, it changed during the export, or a file cannot be replaced, which is
        checked first. If the file system still refuses, the error names the files that have been replaced.
    OSError
        If the files cannot be written.
    """
    targets = {name: folder / f"{name}.parquet" for name in FILES}
    for path in targets.values():
        if path.is_dir():
            raise filterkit.FilterkitError(
                f"{path} is a folder, not a file", hint="move it away, or export to another folder"
            )
    before = _models(bench)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=".export-catalog-", dir=folder) as working:
            counts = {}
            for name, wanted in FILES.items():
                with (Path(working) / targets[name].name).open("wb") as file:
                    counts[targets[name]] = _write(bench, wanted, file)
            if _models(bench) != before:
                raise filterkit.FilterkitError("the catalog changed while it was exported", hint="try again")
            _replace(Path(working), list(counts))
    except BaseException:
        if made:
            with suppress(OSError):  # another process may have put something in
                folder.rmdir()
        raise
    return counts


def _replace(working: Path, targets: list[Path]) -> None:
    """Rename the finished files in `working` to `targets`."""
    for done, path in enumerate(targets):
        try:
            (working / path.name).replace(path)
        except OSError as error:
            new = ", ".join(each.name for each in targets[:done])
            state = f"already replaced: {new}" if new else "no file has been replaced"
            raise filterkit.FilterkitError(
                f"{path} cannot be replaced ({error.strerror}): {state}", hint="fix that, and export again"
            ) from error


def _models(bench: filterkit.Workbench) -> Sequence[Mapping[str, Any]]:
    """The rows of all models, which differ if the catalog has changed."""
    return list(
        bench.query("SELECT * FROM model ORDER BY id", timeout=None, max_value="64MB", max_result=None)
    )


def _write(bench: filterkit.Workbench, wanted: Export, file: Any) -> int:
    declared = _declared(bench, wanted.table)
    own = {name: f'{wanted.table}."{name}"' for name in declared if name != "extra"}
    metrics = {name: f"json_extract({wanted.table}.extra, '$.{name}')" for name in _metrics(bench, wanted)}
    columns = {**wanted.names, **own, **metrics}
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    query = f"SELECT {listed} FROM {wanted.tables} ORDER BY {wanted.order}"
    names, rows = bench.iter_query(query, timeout=None, max_value="64MB", max_result=None)
    known = {name: TYPES[declared[name]] for name in own if declared[name] in TYPES}
    known |= dict.fromkeys((*wanted.names, *(name for name in own if name in RECORDS)), pa.string())
    taken_apart = [name for name in own if declared[name] == "JSON"]
    return write_parquet(_without_json(rows, taken_apart), names, file, known)


def _declared(bench: filterkit.Workbench, table: str) -> dict[str, str]:
    """The columns of a table and their types, from its definition."""
    [row] = bench.query(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.execute(row["sql"])
        return {name: kind for _, name, kind, *_ in empty.execute(f"PRAGMA table_info('{table}')")}


def _metrics(bench: filterkit.Workbench, wanted: Export) -> list[str]:
    """The metrics of plugins that at least one model has, in alphabetical order."""
    if wanted.metrics is None:
        return []
    lists = bench.query(f"SELECT {wanted.metrics} AS names FROM model", timeout=None)
    return sorted({name for row in lists for name in json.loads(row["names"])})


def _without_json(rows: Iterator[Mapping[str, Any]], columns: list[str]) -> Iterator[dict[str, Any]]:
    """The rows with lists parsed from JSON; records stay JSON."""
    for row in rows:
        lists = {name: json.loads(row[name]) for name in columns if (row[name] or "").startswith("[")}
        yield {**row, **lists}
