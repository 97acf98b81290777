"""Reprs are short, and say what an object is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from picture_networks import PIXELS

import filterkit
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.records import IngestEvent, Normalized
from filterkit.results.maps import FeatureMaps
from filterkit.short_reprs import LONGEST, MOST_READ, array_text, shortened
from filterkit.sources.classic import ClassicSource
from filterkit.testing import tiny_model


def test_arrays_are_described_not_printed() -> None:
    assert array_text(np.float32([[-1.5, 2], [0, 1]])) == "(2, 2) float32, -1.5 to 2"
    assert array_text(np.array([1, np.nan, np.inf, 3])) == "(4,) float64, 1 to 3, not all finite"
    assert array_text(np.full(3, np.nan)) == "(3,) float64, not all finite"
    assert array_text(np.zeros((0, 3))) == "(0, 3) float64"
    assert array_text(np.array(["a"])) == "(1,) <U1"
    whole = np.broadcast_to(np.int8(3), MOST_READ)
    assert array_text(whole) == f"({MOST_READ},) int8, 3 to 3"
    assert array_text(np.broadcast_to(np.int8(3), MOST_READ + 1)) == f"({MOST_READ + 1},) int8"


def test_texts_are_shortened_in_the_middle() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde…hijk"


def test_what_the_workbench_returns(bench: filterkit.Workbench, tmp_path: Path, maps: FeatureMaps) -> None:
    network, colour = bench.feature_maps("net", PIXELS), bench.sheet("net/conv1", channels="rgb")
    [pair] = bench.diff("net/conv1", "net/conv1").pairs
    results = {
        "Workbench(": bench,
        "<Catalog ": bench.catalog(),
        "<Registry ": bench.registry,
        "<PluginHost ": bench.plugins,
        "<Sheet 'net/conv1': 4 × 3 tiles of 3 × 3 pixels, ": bench.sheet("net/conv1"),
        "<Sheet 'net/conv1': 2 × 2 tiles of 3 × 3 pixels in colour, ": colour,
        "<FeatureMaps of picture 0: net/conv1 (4, 40, 60) float32, 0 to ": maps,
        "<FeatureMaps of picture 0: net/conv1 (4, 40, 60) float32, 0": network,
        "<PNG picture, ": bench.stats_chart("net"),
        "<LayerPair net/conv1 and net/conv1: cosines (4,) float64, 1 to 1>": pair,
        f"<Examination of {bench.path}, 2 models, ": bench.examine(),
        "NeighbourQuery(name='net/conv1/0', level='filter'": bench.similar("net/conv1/0").query,
    }
    with filterkit.open(tmp_path / "new.db") as other:
        results["IngestResult(model='classic', status='added', layers=13"] = other.add("classic")
    for start, result in results.items():
        assert repr(result).startswith(start)
        assert len(repr(result)) <= 400
        assert "\n" not in repr(result)


def test_records_of_plugins(tmp_path: Path) -> None:
    fetched = ClassicSource().fetch("", tmp_path, lambda *_: None)
    path = tiny_model("plain", tmp_path).path
    view = filterkit.GraphView(onnx.load(path), path)
    banks = list(ConvolutionExtractor().extract(view))
    assert repr(view) == f"<GraphView of 'plain.onnx': {len(view.nodes)} nodes>"
    values = np.linspace(0, 1, 500_000, dtype=np.float32).reshape(500, 10, 10, 10)
    sheet = filterkit.TileSheet(values, count=4990, title="a\x1b[2J" + "b" * 500, vmin=-1.0, vmax=2.0)
    many = {f"plugin{number}": "1.0" for number in range(100)}
    for record in (
        *(fetched, view, *banks, sheet, Normalized(values, None, None, None)),
        filterkit.Preprocessing("BANDS", mean=(0.5,) * 500),
        filterkit.Skipped("n" * 1000, "Conv", "r\n" * 1000),
        IngestEvent("catalog.db", "vgg16", 13, 4224, 0, many),
    ):
        assert len(repr(record)) <= LONGEST
        assert repr(record).isprintable()
    assert repr(sheet).startswith("<TileSheet 'a\\x1b[2Jb")
    assert repr(sheet).endswith(": 4990 tiles of 10 × 10 pixels, -1 to 2>")
    assert repr(filterkit.Preprocessing()) == "Preprocessing()"


@pytest.mark.parametrize(("bias", "text"), [(np.zeros(4), "bias"), (None, "no bias")])
def test_a_bank_of_filters(bench: filterkit.Workbench, bias: object, text: str) -> None:
    from filterkit.catalog.weights import filter_bank

    [match] = bench._session.matches("net/conv1")
    bank = filter_bank(bench.catalog(), match)
    object.__setattr__(bank, "bias", bias)
    low, high = bank.weights.min(), bank.weights.max()
    expected = f"<FilterBank 'conv1': Conv, (4, 3, 3, 3) float32, {low:.4g} to {high:.4g}, {text}, relu>"
    assert repr(bank).lower() == expected.lower()
