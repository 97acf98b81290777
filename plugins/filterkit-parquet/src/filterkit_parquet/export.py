"""A whole catalog as Parquet files: its tables, with the names of models and layers beside their keys."""

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
"""What the catalog's columns hold."""

JSON_TYPES = {
    **dict.fromkeys(("preprocessing", "plugins"), pa.string()),  # records
    **dict.fromkeys(("measured", "extra_metrics", "extra_layer_metrics"), pa.list_(pa.string())),
    **dict.fromkeys(("input_shape", "output_shape", "input_channels"), pa.list_(pa.string())),
    **dict.fromkeys(("kernel_shape", "strides", "dilations"), pa.list_(pa.int64())),
    **dict.fromkeys(("pads", "output_padding"), pa.list_(pa.int64())),
    **dict.fromkeys(("receptive_fields", "jumps", "offsets"), pa.list_(pa.float64())),
}
"""What its JSON columns hold, by name; sizes of shapes are texts, as free ones have names."""


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
    """Write `FILES` into `folder`: all of them or, where anything goes wrong before they are renamed, none.

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
        There is no such catalog, or it changed meanwhile; or a file cannot be replaced, which is looked at
        beforehand. Where the file system refuses all the same, it names the files that are new already.
    OSError
        The files cannot be written.
    """
    targets = {name: folder / f"{name}.parquet" for name in FILES}
    for path in targets.values():
        if path.is_dir():
            raise filterkit.FilterkitError(
                f"{path} is a folder, where a file is to be", hint="move it away, or export to another folder"
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
            with suppress(OSError):  # somebody else may have put something in
                folder.rmdir()
        raise
    return counts


def _replace(working: Path, targets: list[Path]) -> None:
    """Rename what is finished in `working` to `targets`."""
    for done, path in enumerate(targets):
        try:
            (working / path.name).replace(path)
        except OSError as error:
            new = ", ".join(each.name for each in targets[:done])
            state = f"{new} new already, the others not" if new else "no file is new"
            raise filterkit.FilterkitError(
                f"{path} cannot be replaced ({error.strerror}): {state}", hint="mend that, and export again"
            ) from error


def _models(bench: filterkit.Workbench) -> Sequence[Mapping[str, Any]]:
    """The rows of all models: a catalog that changed has other ones."""
    return bench.query("SELECT * FROM model ORDER BY id", timeout=None, max_value="64MB", max_result=None)


def _write(bench: filterkit.Workbench, wanted: Export, file: Any) -> int:
    declared = _declared(bench, wanted.table)
    own = {name: f'{wanted.table}."{name}"' for name in declared if name != "extra"}
    metrics = {name: f"json_extract({wanted.table}.extra, '$.{name}')" for name in _metrics(bench, wanted)}
    columns = {**wanted.names, **own, **metrics}
    listed = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    query = f"SELECT {listed} FROM {wanted.tables} ORDER BY {wanted.order}"
    names, rows = bench.iter_query(query, timeout=None, max_value="64MB", max_result=None)
    known = {name: TYPES[declared[name]] for name in own if declared[name] in TYPES}
    known |= dict.fromkeys(wanted.names, pa.string())
    known |= {name: JSON_TYPES[name] for name in own if name in JSON_TYPES}
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
