"""Small sound catalogs, as filterkit makes them, for a fuzz target to damage."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # for onnx_graphs, where this serves a program
sys.path.append(str(Path(__file__).parents[1] / "catalog"))

from onnx_graphs import build, node, random
from PIL import Image
from tiny_models import put, write_model

import filterkit
from filterkit.catalog import Catalog
from filterkit.metrics.basic import BasicMetrics
from filterkit.records import FilterBank

GOLDEN = Path(__file__).parents[1] / "catalog" / "golden"


class Extra:
    """A plugin's metric of filters and layers."""

    columns = ("spread", "kind")
    layer_columns = ("unrest",)

    def measure(self, bank: FilterBank) -> dict[str, np.ndarray]:
        spread = np.ptp(bank.weights.reshape(len(bank.weights), -1), axis=1)
        return {"spread": spread, "kind": np.where(spread > 1, "wide", "narrow")}

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        return {"unrest": float(np.abs(np.diff(bank.weights, axis=0)).sum())}


def make_models(folder: Path) -> None:
    """Models to add, and a picture to run them on, in `folder`."""
    write_model(folder / "tiny.onnx")
    write_model(folder / "new.onnx", widths=(3, 2), seed=5)
    write_model(folder / "other.onnx", widths=(3, 6, 2, 3), seed=1)
    (folder / "apart").mkdir()
    write_model(folder / "apart" / "external.onnx", widths=(3, 4, 3), seed=2, external=True)
    nodes = [node("Conv", "x w", "c"), node("Conv", "c v", "y")]
    half = build(nodes, {"x": [1, 3, 8, 8], "v": [2, 4, 3, 3]}, {"w": random(4, 3, 3, 3)})
    (folder / "half.onnx").write_bytes(half.SerializeToString())
    Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)).save(folder / "picture.png")


def make_catalogs(folder: Path, models: Path) -> list[str]:
    """Make every catalog as ``NAME/catalog.db`` below `folder`; returns their names."""
    for name, make in CATALOGS.items():
        (folder / name).mkdir(parents=True)
        make(folder / name / "catalog.db", models)
    return list(CATALOGS)


def _classic(path: Path, models: Path) -> None:
    with filterkit.open(path) as bench:
        bench.add("classic")


def _networks(path: Path, models: Path) -> None:
    """Every kind of model, one of which was run."""
    with filterkit.open(path) as bench:
        for name in ("tiny", "other", "half", "apart/external"):
            bench.add(str(models / f"{name}.onnx"))
        bench.add(str(models / "tiny.onnx"), name="again")
        bench.feature_maps("tiny/*", models / "picture.png", provider="cpu")
    plugins = {"somebody": {"version": "1", "made_by": ["metric/extra"]}}
    with Catalog.open(path, write=True) as catalog:
        put(catalog, models / "tiny.onnx", "extra", metrics=[BasicMetrics(), Extra()], plugins=plugins)


def _without_wal(path: Path, models: Path) -> None:
    _networks(path, models)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _empty(path: Path, models: Path) -> None:
    Catalog.open(path, write=True).close()


def _older(revision: str) -> Callable[[Path, Path], None]:
    def make(path: Path, models: Path) -> None:
        """As an earlier filterkit wrote it, with fewer filters, and no store."""
        shutil.copyfile(GOLDEN / f"{revision}.db", path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DELETE FROM filter WHERE position > 3")
            connection.commit()
            connection.execute("VACUUM")

    return make


CATALOGS: dict[str, Callable[[Path, Path], None]] = {
    "classic": _classic,
    "networks": _networks,
    "without_wal": _without_wal,
    "empty": _empty,
    "older_0001": _older("0001"),
    "older_0002": _older("0002"),
}
