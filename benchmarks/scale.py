"""Catalogs of many models: querying them, adding to them, and their size.

The rows are synthetic: VGG16's, repeated, with every number of a filter changed a little. 1,000 models take
some minutes to create and to measure, and 3 GB of space for temporary files.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import onnx
from measuring import Line, in_turn, ratios, seconds

import filterkit

SIZES = (10, 100, 1000)
"""Models of VGG16's size."""

WHERE, SORT, LIMIT = "classic_type = 'edge' and classic_score > 0.9", "orientation_strength", 20

INDEXES = (
    "(classic_type, classic_score)",
    "(classic_type, orientation_strength)",
    "(classic_type, orientation_strength DESC, classic_score)",
    f"(orientation_strength DESC) WHERE {WHERE}",
)
"""Indexes one might create by hand for this very query; the fastest is used."""

BLOCK = "vgg16/block3_*"

TURNS, TIMES = 101, 50


def lines(catalog: Path) -> Iterator[Line | str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scaled = folder / "catalog.db"
        shutil.copyfile(catalog, scaled)
        shutil.copytree(catalog.with_suffix(".store"), scaled.with_suffix(".store"), copy_function=os.link)
        single = Path(shutil.copyfile(scaled, folder / "single.db"))
        other = other_model(scaled, folder / "other.onnx")
        for count in SIZES:
            rows = grow(scaled, count)
            models = f"{count:,} models"
            yield Line(f"bytes per filter row, {models}", "", scaled.stat().st_size / rows, 250)
            yield asking(scaled, folder / "hand.db", models)
            yield asking_one(scaled, single, models)
            yield adding(scaled, other, f"adding VGG16 to {models}, basic metrics", ["basic"], 7)
        yield adding(scaled, other, f"adding VGG16 to {models}, all metrics", None, 5)


def grow(path: Path, count: int) -> int:
    """Extend a catalog that contains VGG16 to `count` models; returns its number of filters."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        [(models, layers)] = connection.execute(
            "SELECT (SELECT count(*) FROM model), (SELECT count(*) FROM layer WHERE model_id = 1)"
        )
        for number in range(models, count):
            connection.execute("BEGIN")
            new = {"id": f"id + {number}", "name": f"name || '_{number:04}'"}
            copy(connection, "model", new, "id = 1")
            copy(
                connection,
                "layer",
                {"id": f"id + {layers * number}", "model_id": f"1 + {number}"},
                "model_id = 1",
            )
            changed = {"layer_id": f"layer_id + {layers * number}", **varied(connection)}
            copy(connection, "filter", changed, f"layer_id <= {layers}")
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(rows,)] = connection.execute("SELECT count(*) FROM filter")
    return int(rows)


def columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Column name to type."""
    return {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")}


def varied(connection: sqlite3.Connection) -> dict[str, str]:
    """Every number of a filter, reduced by up to a tenth."""
    numbers = [name for name, kind in columns(connection, "filter").items() if kind == "REAL"]
    return {name: f'"{name}" * (1 - abs(random() % 1000000) / 1e7)' for name in numbers}


def copy(connection: sqlite3.Connection, table: str, changed: dict[str, str], where: str) -> None:
    """Insert rows of a table again, with some columns changed."""
    values = ", ".join(changed.get(name, f'"{name}"') for name in columns(connection, table))
    connection.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {where}")


def asking(scaled: Path, by_hand: Path, models: str) -> Line:
    """A query on the whole catalog, compared with the same in SQL on a copy with an index made for it."""
    shutil.copyfile(scaled, by_hand)
    with filterkit.open(scaled) as bench, closing(sqlite3.connect(by_hand)) as connection:

        def through_the_api() -> list[Any]:
            return list(bench.filters("*", where=WHERE, sort=f"-{SORT}", limit=LIMIT))

        names = [name for name in bench.filters("*", limit=1).columns if name != "address"]
        query = sql(names)

        def in_sqlite() -> list[Any]:
            return [dict(zip(("address", *names), row, strict=True)) for row in connection.execute(query)]

        best_index(connection, lambda: seconds(lambda: repeat(in_sqlite)))
        assert in_sqlite() == through_the_api()
        taken = in_turn({"api": lambda: repeat(through_the_api), "hand": lambda: repeat(in_sqlite)}, TURNS)
    by_hand.unlink()
    slower = ratios(taken["api"], taken["hand"])
    return Line(
        f"filters: where, sort, limit; {models}",
        "by hand in sqlite3, best index",
        statistics.median(slower),
        1.3,
        slower,
    )


def sql(names: list[str]) -> str:
    """The query written by hand; `names` are the columns except the address."""
    parts = {"model": "model.name", "layer": "layer.name", "filter": "filter.position"}
    shown = ", ".join(parts.get(name, f'filter."{name}"') for name in names)
    return (
        f"SELECT model.name || '/' || layer.name || '/' || filter.position, {shown} FROM filter "
        "JOIN layer ON layer.id = filter.layer_id JOIN model ON model.id = layer.model_id "
        f"WHERE {WHERE} ORDER BY {SORT} DESC LIMIT {LIMIT}"
    )


def best_index(connection: sqlite3.Connection, measured: Callable[[], float]) -> None:
    """Keep only the fastest of `INDEXES` in the copy, or the index that it has."""
    [(own, made)] = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'filter' AND type = 'index' AND sql <> ''"
    )
    taken = {made: min(measured() for _ in range(5))}
    connection.execute(f"DROP INDEX {own}")
    for index in INDEXES:
        made_by_hand = f"CREATE INDEX by_hand ON filter {index}"
        connection.execute(made_by_hand)
        taken[made_by_hand] = min(measured() for _ in range(5))
        connection.execute("DROP INDEX by_hand")
    connection.execute(min(taken, key=lambda index: taken[index]))


def repeat(action: Callable[[], Any]) -> None:
    for _ in range(TIMES):
        action()


def asking_one(scaled: Path, single: Path, models: str) -> Line:
    """A query on one model of many, compared with the same on a catalog without others."""
    with filterkit.open(scaled) as many, filterkit.open(single) as one:
        taken = in_turn(
            {
                name: lambda bench=bench: repeat(lambda: bench.filters(BLOCK, where=WHERE, sort=f"-{SORT}"))
                for name, bench in (("many", many), ("one", one))
            },
            TURNS,
        )
    slower = ratios(taken["many"], taken["one"])
    return Line(f"filters of {BLOCK}, {models}", "the same, 1 model", statistics.median(slower), 1.3, slower)


def other_model(catalog: Path, path: Path) -> Path:
    """Write a VGG16 with other weights, which are not in the store yet."""
    [stored] = catalog.with_suffix(".store").glob("models/*/model.onnx")
    model = onnx.load(stored)
    for weights in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype == "float32":
            weights.CopyFrom(onnx.numpy_helper.from_array(values * 2, weights.name))
    onnx.save(model, path)
    return path


def adding(scaled: Path, model: Path, what: str, metrics: list[str] | None, turns: int) -> Line:
    """Add a model to the catalog, and to a new one; it is removed afterwards."""
    taken: dict[str, list[float]] = {"many": [], "none": []}
    for _ in range(turns + 1):
        with tempfile.TemporaryDirectory(dir=scaled.parent) as folder:
            for name, path in (("many", scaled), ("none", Path(folder) / "catalog.db")):
                with filterkit.open(path) as bench:
                    taken[name].append(seconds(lambda: bench.add(model, name="other", metrics=metrics)))
                    bench.remove("other")
    slower = ratios(taken["many"][1:], taken["none"][1:])
    return Line(what, "adding it to an empty catalog", statistics.median(slower), 1.5, slower)
