"""Layers and metrics named like keywords of Python, NumPy, SQL or a file system are only data everywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_graphs import build, node, random
from PIL import Image
from safetensors.numpy import load_file

import filterkit
from filterkit.cli.support.output import print_rows
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.runtime.raw_inputs import read_inputs

LAYERS = [
    *("file", "allow_pickle", "self", "args", "kwds", "arrays", "path", "arr_0", "format", "data", "shape"),
    *("con", "nul.txt", "aux", "layer", "model", "name", "dtype", "None", "True", "class", "metadata"),
    *("1.5", "nan", "select", "rows", "columns", "conv.npy", "tile"),
]
METRICS = [
    *("file", "self", "rows", "columns", "stream", "format", "select", "order", "like", "null", "and"),
    *("class", "none", "table", "key", "values", "items", "index", "data", "title", "x", "type"),
]


class Words:
    """A metric with such columns: the filter's number plus the column's place."""

    columns = tuple(METRICS)
    layer_columns = tuple(METRICS)

    def measure(self, bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels, dtype=np.float64)
        return {name: numbers + place for place, name in enumerate(METRICS)}

    def measure_layer(self, bank: filterkit.FilterBank) -> dict[str, float]:
        return {name: float(place) for place, name in enumerate(METRICS)}


class Plugin:
    @filterkit.hookimpl
    def filterkit_metrics(self) -> list[filterkit.Contribution[Words]]:
        return [filterkit.Contribution("words", "Words", Words)]


BANKS = {name: random(2, 3, 3, 3, seed=seed) for seed, name in enumerate(LAYERS)}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    folder = tmp_path_factory.mktemp("words")
    places = range(len(LAYERS))
    nodes = [node("Conv", f"picture w{n}", f"y{n}", name=name) for n, name in enumerate(LAYERS)]
    weights = {f"w{n}": bank for n, bank in enumerate(BANKS.values())}
    onnx.save(
        build(nodes, {"picture": [1, 3, 16, 16]}, weights, [f"y{n}" for n in places]), folder / "file.onnx"
    )
    host = load_plugins(discover=False)
    host.add(Plugin(), name="filterkit-words", version="1.0")
    with filterkit.Workbench(folder / "catalog.db", registry=Registry(host)) as opened:
        opened.add(folder / "file.onnx")
        assert {row["layer"] for row in opened.layers("file")} == set(LAYERS)
        yield opened


def test_banks_are_exported_under_these_names(bench: filterkit.Workbench, tmp_path: Path) -> None:
    bench.export("file", tmp_path / "all.npz")
    bench.export("file", tmp_path / "all.safetensors")
    with np.load(tmp_path / "all.npz") as stored:
        found = {name: stored[name] for name in stored.files}
    for arrays in (found, read_inputs(tmp_path / "all.npz"), load_file(tmp_path / "all.safetensors")):
        assert arrays.keys() == BANKS.keys()
        for name, bank in BANKS.items():
            np.testing.assert_array_equal(arrays[name], bank)


def test_one_layer_alone(bench: filterkit.Workbench, tmp_path: Path) -> None:
    for name, bank in BANKS.items():
        for suffix in ("npy", "npz", "safetensors"):
            bench.export(f"file/{name}/1", tmp_path / f"one.{suffix}")
        np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), bank[1:], err_msg=name)
        with np.load(tmp_path / "one.npz") as stored:
            np.testing.assert_array_equal(stored[name], bank[1:], err_msg=name)


def test_feature_maps_are_stacked_under_these_names(bench: filterkit.Workbench, tmp_path: Path) -> None:
    from filterkit.operations.stacks import stacking

    picture = Image.fromarray(np.full((16, 16, 3), 100, np.uint8))
    maps = bench.feature_maps("file", picture)
    assert maps.maps.keys() == BANKS.keys()
    with stacking(tmp_path / "maps.npz") as add:
        add(maps.maps)
        add(maps.maps)
    with np.load(tmp_path / "maps.npz") as stored:
        for name, values in maps.maps.items():
            np.testing.assert_array_equal(stored[name], np.stack([values, values]))
    assert bench.render(bench.sheet(maps.only("file")))


@pytest.mark.parametrize("name", ["table", "json", "ndjson", "csv", "tsv"])
def test_rows_are_written_in_every_format(bench: filterkit.Workbench, name: str) -> None:
    rows = bench.filters("file")
    assert set(METRICS) < set(rows.columns)
    stream = io.StringIO()
    print_rows(rows, rows.columns, name, registry=bench.registry, stream=stream)
    assert all(layer in stream.getvalue() for layer in LAYERS)
    if name == "json":
        assert json.loads(stream.getvalue()) == rows


def test_metrics_can_be_asked_for(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet("file/file")
    stats = bench.stats("file")
    for place, metric in enumerate(METRICS):
        check_metric(bench, place, metric)
        assert {row[metric] for row in stats} == {place}, metric
        assert sheet.metrics[metric].tolist()[:3] == [place] * 3, metric


def check_metric(bench: filterkit.Workbench, place: int, metric: str) -> None:
    for name in (f"filter.{metric}", f"layer.{metric}"):
        rows = bench.filters("file", columns=["filter", name], where=f"{name} >= 0", sort=f"-{name}")
        assert len(rows) == 2 * len(LAYERS), name
        assert all(row[name] == place + row["filter"] * name.startswith("filter.") for row in rows)


@pytest.mark.slow
def test_sheets_and_charts_are_drawn(bench: filterkit.Workbench) -> None:
    for name in LAYERS:
        assert bench.render(bench.sheet(f"file/{name}"), suffix=".txt")
    picked = bench.sheet([f"file/{name}/0/0" for name in LAYERS])
    assert all(any(name in label for label in picked.tile_labels) for name in LAYERS)
    assert bench.render(picked, suffix=".png")
    assert bench.render(bench.sheet("file/allow_pickle"), suffix=".png")
    assert bench.stats_chart("file", "svg")
    assert bench.stats_chart("file/file", "png")
    assert bench.render(bench.sheet(bench.similar("file/file/0", limit=3)))
    assert bench.render(bench.sheet(bench.diff("file/file", "file/path")))
