"""Merging many catalogs of small models, compared with copying their rows with sqlite3."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
from measuring import Line, in_turn, ratios
from onnx import TensorProto, helper, numpy_helper

import filterkit

CATALOGS, MODELS, LAYERS, FILTERS = 100, 10, 4, 32
TABLES = ("skipped", "edge")


def write_model(path: Path, seed: int) -> Path:
    """A network of a few layers of 3×3 filters."""
    chance = np.random.default_rng(seed)
    nodes, weights, channels = [], [], 3
    for layer in range(LAYERS):
        values = chance.standard_normal((FILTERS, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes.append(helper.make_node("Conv", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"], pads=[1] * 4))
        channels = FILTERS
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("x0", TensorProto.FLOAT, [1, 3, 32, 32])],
        [value(f"x{LAYERS}", TensorProto.FLOAT, None)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def create(folder: Path) -> list[Path]:
    """The catalogs, each in a folder of its own."""
    paths = []
    for number in range(CATALOGS):
        place = folder / str(number)
        place.mkdir()
        paths.append(place / "catalog.db")
        with filterkit.open(paths[-1]) as bench:
            for model in range(MODELS):
                seed = number * MODELS + model
                bench.add(write_model(place / f"m{seed}.onnx", seed), metrics=["basic"])
    return paths


def by_hand(paths: list[Path], target: Path, *, files: bool) -> None:
    """Copy all rows with new ids, a transaction per catalog; with `files`, also the files of the store."""
    with filterkit.open(target) as bench:
        bench.catalog(write=True)
    with closing(sqlite3.connect(target, isolation_level=None)) as mine:

        def put(table: str, rows: list[tuple]) -> None:
            if rows:
                mine.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)

        model_id, layer_id = itertools.count(1), itertools.count(1)
        for path in paths:
            with closing(sqlite3.connect(path)) as theirs:
                mine.execute("BEGIN IMMEDIATE")
                models = theirs.execute("SELECT * FROM model").fetchall()
                of_model = {row[0]: next(model_id) for row in models}
                put("model", [(of_model[row[0]], *row[1:]) for row in models])
                layers = theirs.execute("SELECT * FROM layer").fetchall()
                of_layer = {row[0]: next(layer_id) for row in layers}
                put("layer", [(of_layer[row[0]], of_model[row[1]], *row[2:]) for row in layers])
                put(
                    "filter", [(of_layer[row[0]], *row[1:]) for row in theirs.execute("SELECT * FROM filter")]
                )
                for table in TABLES:
                    rows = theirs.execute(f"SELECT * FROM {table}")
                    put(table, [(of_model[row[0]], *row[1:]) for row in rows])
                if files:
                    copy_files(path.with_suffix(".store"), target.with_suffix(".store"))
                mine.execute("COMMIT")


def copy_files(source: Path, target: Path) -> None:
    """Copy files and make them durable, as merging does; they are not verified."""
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            with copy.open("rb+") as written:
                os.fsync(written.fileno())


def merge(paths: list[Path], target: Path) -> None:
    with filterkit.open(target) as bench:
        for path in paths:
            bench.merge(path)


def lines(catalog: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "others").mkdir()
        paths = create(folder / "others")
        for what, files in (("rows", False), ("rows and files", True)):
            if not files:  # merged as they are: models without weights
                for path in paths:
                    path.with_suffix(".store").rename(path.with_suffix(".aside"))
            numbers = itertools.count()

            def target(names: Iterator[int] = numbers, kind: str = what) -> Path:
                place = folder / f"{kind.replace(' ', '-')}{next(names)}"
                place.mkdir()
                return place / "catalog.db"

            taken = in_turn(
                {
                    "merge": lambda: merge(paths, target()),
                    "hand": lambda files=files: by_hand(paths, target(), files=files),
                },
                5,
            )
            if not files:
                for path in paths:
                    path.with_suffix(".aside").rename(path.with_suffix(".store"))
            turns = ratios(taken["merge"], taken["hand"])
            yield Line(
                f"merge of {CATALOGS} catalogs of {MODELS} models, {what}",
                f"{what} by hand with sqlite3",
                sorted(turns)[len(turns) // 2],
                1.5,
                turns,
            )
