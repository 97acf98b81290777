"""Pairs on a sheet: seen as pairs, named by what they compare, and on one scale."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import random
from PIL import Image

import filterkit
from filterkit.renderers.canvas import GROUP_GAP


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    """`one` with layers `a` and `b`; `two` has the same `a`, `three` only a layer `b`."""
    first, second = random(5, 3, 3, 3), random(5, 3, 3, 3, seed=1)
    banks = {"one": {"a": first, "b": second}, "two": {"a": first, "b": first}, "three": {"b": first}}
    with filterkit.open(tmp_path / "catalog.db") as opened:
        for name, arrays in banks.items():
            np.savez(tmp_path / f"{name}.npz", **arrays)
            opened.add(f"weights:{tmp_path / name}.npz")
        yield opened


def test_titles_name_what_the_rows_compare(bench: filterkit.Workbench) -> None:
    layers = bench.sheet(bench.diff("one/a", "one/b", level="filter"))
    assert layers.title == "one/a (left) and one/b (right), least similar first"
    assert layers.provenance["address"] == "one/a, one/b"
    assert [label.split("/")[0] for label in layers.tile_labels[:2]] == ["a", "b"]
    all_rows = bench.diff("one", "two", "three", sort=["model_b", "-cosine"])
    assert bench.sheet(all_rows).title == (
        "one (left) and three or two (right), sorted by model_b, cosine (descending)"
    )
    of_two = [number for number, row in enumerate(all_rows) if row["model_b"] == "two"]
    some = bench.sheet(all_rows[of_two[0] : of_two[-1] + 1])
    assert some.title.startswith("one (left) and two (right), sorted by")
    assert "three" not in some.provenance["model"]


def test_a_wider_gap_follows_each_pair(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet(bench.diff("one", "two", level="filter"))
    assert (sheet.group, sheet.columns) == (2, 6)
    with Image.open(io.BytesIO(bench.render(sheet, "mosaic:scale=1,gap=2,background=#00f"))) as picture:
        row = np.asarray(picture.convert("RGB"))[3]
    blue = (row == (0, 0, 255)).all(axis=1)
    runs = [len(run) for run in "".join("01"[each] for each in blue.tolist()).split("0") if run]
    assert runs == [2, 2, 2 + 2 * GROUP_GAP, 2, 2 + 2 * GROUP_GAP, 2, 2]
    figure = io.BytesIO(bench.render(sheet, "grid"))
    with Image.open(figure) as picture:
        assert picture.width > 0
    automatic = io.BytesIO(bench.render(sheet, "mosaic"))
    with Image.open(automatic) as picture:
        assert max(picture.size) <= 1024


def test_both_of_a_pair_have_one_scale(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet([("one/a/0", "one/b/3"), ("one/a/1", "two/a/1")])
    assert sheet.note.startswith("symmetric about zero per pair; the strongest kernel of the first filter")
    assert (sheet.group, sheet.centre) == (2, 0.5)
    assert sheet.values is not None
    pairs = sheet.values.reshape(2, 2, 3, 3)
    largest = np.abs(pairs).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(sheet.tiles.reshape(2, 2, 3, 3), pairs / largest / 2 + 0.5, atol=1e-6)
    whole = bench.sheet([("one/a/0", "one/b/3")], "symmetric")
    assert whole.note.startswith("symmetric about zero over the layer")
