"""Metrics of the catalog in sheets: numbers and texts of every tile's filter, read on first access."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_graphs import random

import filterkit
from filterkit.catalog.schema import METRIC_COLUMNS
from filterkit.catalog.stats import CLASSIC_TYPES
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

TEXTS = ["classic_type", "classic_kernel"]


class Loudness:
    """A plugin's metric: a number with gaps, a boolean, and a text with gaps."""

    columns = ("loudness", "hollow", "kind")

    def measure(self, bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels, dtype=np.float64)
        return {
            "loudness": np.where(numbers == 1, np.nan, -numbers),
            "hollow": numbers == 2,
            "kind": np.where(numbers == 1, "", np.where(numbers == 2, "straße </b>", "odd")),
        }


@dataclass(frozen=True)
class Loudest:
    """A renderer that writes the address of the loudest tile."""

    media_type = "text/plain"
    suffix = ".loud"

    def render(self, sheet: filterkit.TileSheet) -> bytes:
        return sheet.addresses[int(np.nanargmax(sheet.metrics["loudness"]))].encode()


@dataclass(frozen=True)
class Meddling(Loudest):
    """A renderer that modifies its input."""

    mapping: str = "metrics"
    suffix = ".meddled"

    def render(self, sheet: filterkit.TileSheet) -> bytes:
        values = getattr(sheet, self.mapping)
        values[list(values)[-1]][:] = 0
        return b"quiet"


class Plugin:
    @filterkit.hookimpl
    def filterkit_metrics(self) -> list[filterkit.Contribution[Any]]:
        return [filterkit.Contribution("loud", "How loud", Loudness)]

    @filterkit.hookimpl
    def filterkit_renderers(self) -> list[filterkit.Contribution[Any]]:
        both = {"loudest": Loudest, "meddling": Meddling}
        return [filterkit.Contribution(name, "For a test", made) for name, made in both.items()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    folder = tmp_path_factory.mktemp("catalog")
    host = load_plugins(discover=False)
    host.add(Plugin(), name="filterkit-loud", version="1.0")
    with filterkit.Workbench(folder / "catalog.db", registry=Registry(host)) as opened:
        for seed, name in enumerate(("one", "two")):
            banks = {"a": random(4, 3, 3, 3, seed=seed), "b": random(3, 2, 5, 5, seed=seed + 9)}
            np.savez(folder / f"{name}.npz", **banks)
            opened.add(f"weights:{folder / name}.npz", name=name)
        yield opened


def sheets(bench: filterkit.Workbench) -> dict[str, filterkit.TileSheet]:
    picture = np.zeros((9, 9, 3), np.uint8)
    return {
        "one layer": bench.sheet("one/a"),
        "a part": bench.sheet("two/b/2,0/1"),
        "picked": bench.sheet(["two/b/2", "one/a/0", "one/a/0"]),
        "similar": bench.sheet(bench.similar("one/a/1", limit=4)),
        "differences": bench.sheet(bench.diff("one", "two")),
        "an answer": bench.sheet(bench.convolve("one/a/2/1", picture, per_channel=True, provider="cpu")),
    }


def test_every_sheet_knows_the_metrics_of_its_filters(bench: filterkit.Workbench) -> None:
    rows = {row["address"]: row for row in bench.filters()}
    numbers = [name for name in (*METRIC_COLUMNS, "hollow", "loudness") if name not in TEXTS]
    for what, sheet in sheets(bench).items():
        assert list(sheet.metrics) == numbers, what
        for name, values in sheet.metrics.items():
            assert (values.dtype, values.shape) == (np.float64, (sheet.count,))
            filters = ("/".join(address.split("/")[:3]) for address in sheet.addresses)
            expected = [rows[filter_][name] for filter_ in filters]
            np.testing.assert_array_equal(values, np.array(expected, np.float64), err_msg=f"{what}: {name}")
    assert np.isnan(bench.sheet("one/b").metrics["opponency"]).all()


def test_texts_are_told_and_booleans_in_words_too(bench: filterkit.Workbench) -> None:
    rows = {row["address"]: row for row in bench.filters()}
    words = {None: "", 0: "no", 1: "yes"}
    for what, sheet in sheets(bench).items():
        filters = ["/".join(address.split("/")[:3]) for address in sheet.addresses]
        assert sorted(sheet.texts) == sorted([*TEXTS, "dead", "hollow", "kind"]), what
        for name, texts in sheet.texts.items():
            assert (texts.dtype.kind, texts.shape) == ("U", (sheet.count,))
            values = [rows[filter_][name] for filter_ in filters]
            assert texts.tolist() == [words.get(value, value) for value in values], f"{what}: {name}"
    sheet = bench.sheet("one/a")
    assert set(sheet.texts["kind"]) == {"odd", "", "straße </b>"}
    assert set(sheet.texts["hollow"]) == set(words.values()) - {""}
    assert [text == "yes" for text in sheet.texts["hollow"]] == sheet.metrics["hollow"].tolist()
    assert sheet.texts["classic_type"][0] in CLASSIC_TYPES


def test_what_is_in_no_catalog_has_none(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet(bench.similar("[[1,0,0],[0,1,0],[0,0,1]]", limit=2))
    assert np.isnan(sheet.metrics["l2_norm"]).tolist() == [True, False, False]
    assert (sheet.texts["dead"] == ["", "no", "no"]).all()


def test_the_catalog_is_asked_once_and_only_by_who_looks(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
        sheet, looked_at = bench.sheet("classic/emboss"), bench.sheet("classic/emboss")
        assert looked_at.metrics["l2_norm"][0] > 0
        bench.remove("classic")
        assert bench.render(sheet).startswith(b"\x89PNG")
        assert looked_at.metrics["l2_norm"][0] > 0
        assert set(looked_at.texts["classic_type"]) == {"emboss"}, "both were read at once"
        assert np.isnan(sheet.metrics["l2_norm"]).all(), "it is gone"
        assert set(sheet.texts["classic_type"]) == {""}


def test_a_renderer_draws_by_them_and_changes_none(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet(["one/a/1", "two/b/2", "one/a/0", "two/a/3"])
    assert bench.render(sheet, suffix=".loud") == b"one/a/0/" + sheet.addresses[2][-1].encode()
    for mapping in ("metrics", "texts"):
        with pytest.raises(filterkit.FilterkitError, match=r"filterkit-loud.*read-only"):
            bench.render(sheet, f"meddling:mapping={mapping}")


def test_they_are_pickled_with_their_sheet(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet("one/a")
    copy = pickle.loads(pickle.dumps(sheet))
    assert list(copy.metrics) == list(sheet.metrics)
    np.testing.assert_array_equal(copy.metrics["l1_norm"], sheet.metrics["l1_norm"])
    assert {name: list(texts) for name, texts in copy.texts.items()} == {
        name: list(texts) for name, texts in sheet.texts.items()
    }
