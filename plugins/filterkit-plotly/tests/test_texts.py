"""Metrics that are texts and booleans, in a browser: hover texts, and how tiles are grouped."""

from __future__ import annotations

from pathlib import Path

import filterkit
import numpy as np
import onnx
import pytest
from filterkit.testing import build_model, node
from page import Page

from filterkit_plotly.renderer import Interactive

KINDS = ("soft", "", "Edge", "soft", "edge", "1 <b>&amp;", "edge")
LOUD = (True, False, False, True, True, False, False)
PLUGIN = f"""
import filterkit
import numpy as np

class Kinds:
    columns = ("kind", "loud", "constructor")

    def measure(self, bank):
        return {{"kind": np.array({KINDS}), "loud": np.array({LOUD}), "constructor": np.arange(7.0)}}

@filterkit.hookimpl
def filterkit_metrics():
    return [filterkit.Contribution("kinds", "For a test", Kinds)]
"""
GROUPED = [5, 2, 4, 6, 0, 3, 1]
"""The filters by kind: "1 <b>&amp;", "Edge", "edge" twice, "soft" twice, and the one without."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a layer of seven filters with four kernels each, whose kinds come from a plugin."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "filterkit_kinds.py").write_text(PLUGIN, encoding="utf-8")
    weights = np.random.default_rng(0).normal(size=(7, 4, 3, 3)).astype(np.float32)
    model = build_model([node("Conv", "image w", "y", "c")], {"image": ["N", 4, "H", "W"]}, {"w": weights})
    onnx.save(model, folder / "net.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILTERKIT_PLUGINS_DIR", str(folder / "plugins"))
        with filterkit.open(folder / "catalog.db") as bench:
            bench.add(str(folder / "net.onnx"))
    return folder / "catalog.db"


def labels(page: Page) -> list[str]:
    return page.ask("return document.getElementById('plot').layout.yaxis.ticktext.map(text => "
                    "new DOMParser().parseFromString(text, 'text/html').body.textContent)")  # fmt: skip


def borders(page: Page) -> int:
    path = page.ask("return document.getElementById('plot').layout.shapes.map(shape => shape.path).join('')")
    return path.count("M")


def test_pointing_tells_them(kinds: Path, page: Page) -> None:
    with filterkit.open(kinds) as bench:
        rows = bench.filters("net/c")
        page.open(bench.render(bench.sheet("net/c"), suffix=".html"))
    for row in rows:
        lines = page.point(2, 2 + 4 * row["filter"])
        assert lines[0] == f"net/c/{row['filter']}/0"
        assert f"kind {KINDS[row['filter']] or '–'}" in lines
        assert f"loud {'yes' if LOUD[row['filter']] else 'no'}" in lines
        assert f"classic_type {row['classic_type']}" in lines
        assert f"classic_kernel {row['classic_kernel'] or '–'}" in lines
        assert "dead no" in lines
        assert f"constructor {row['filter']}" in lines
    assert page.complaints() == []


@pytest.mark.parametrize("reverse", [False, True])
def test_filters_are_grouped_by_a_text_and_those_without_come_last(
    kinds: Path, page: Page, reverse: bool
) -> None:
    with filterkit.open(kinds) as bench:
        page.open(bench.render(bench.sheet("net/c"), suffix=".html"))
    page.sort("kind", upwards=reverse)
    expected = [0, 3, 4, 6, 2, 5, 1] if reverse else GROUPED
    for place, number in enumerate(expected):
        for kernel in (0, 3):
            lines = page.point(2 + 4 * kernel, 2 + 4 * place)
            assert lines[0] == f"net/c/{number}/{kernel}"
            assert f"kind {KINDS[number] or '–'}" in lines
    shown = ["1 <b>&amp;  4", "Edge  4", "edge  8", "soft  8"]
    assert set(labels(page)) == {*shown, "–  4"}
    assert borders(page) == 4
    assert page.text("direction") == "reversed"
    chosen = "return document.querySelector('#tip .chosen').textContent"
    assert page.ask(chosen) == "kind –"
    page.sort("norm")
    assert (labels(page), borders(page), page.text("direction")) == ([], 0, "smallest first")
    page.sort("place")
    assert labels(page) == list("0123456")


def test_booleans_are_two_groups(kinds: Path, page: Page) -> None:
    with filterkit.open(kinds) as bench:
        page.open(bench.render(bench.sheet("net/c"), suffix=".html"))
    page.sort("loud")
    order = [page.point(2, 2 + 4 * place)[0] for place in range(7)]
    assert order == [f"net/c/{number}/0" for number in (1, 2, 5, 6, 0, 3, 4)]
    assert labels(page) == ["no  16", "yes  12"]


def test_every_group_begins_a_row(kinds: Path, page: Page) -> None:
    """If groups begin new rows, places stay empty, and the picture grows."""
    with filterkit.open(kinds) as bench:
        sheet = bench.sheet("net/c", channels="first")
        page.open(bench.render(sheet, suffix=".html"))
    assert (sheet.rows, sheet.columns) == (3, 3)
    page.sort("kind")
    assert page.pixel(0, 0)[0] == (13, 21)
    found = [[page.point(2 + 4 * column, 2 + 4 * row)[:1] for column in range(3)] for row in range(5)]
    expected = [[5], [2], [4, 6], [0, 3], [1]]
    assert found == [
        [[f"net/c/{number}/0"] for number in row] + [[]] * (3 - len(row)) for row in expected
    ]  # fmt: skip
    page.zoom(2, 2)
    page.reset()
    assert page.ask("return document.getElementById('plot')._fullLayout.yaxis.range") == [20.5, -0.5]
    page.sort("place")
    assert page.pixel(0, 0)[0] == (13, 13)
    assert page.ask("return document.getElementById('plot')._fullLayout.yaxis.range") == [12.5, -0.5]
    assert page.point(2, 6)[0] == "net/c/3/0"


def test_groups_of_one_tile_each_follow_without_marks(page: Page) -> None:
    names = [f"n{number:02}" for number in range(99, -1, -1)]
    texts = {"name": np.array(names), "none": np.full(100, "")}
    tiles = np.zeros((10, 10, 3, 3), np.float32)
    page.open(Interactive().render(filterkit.TileSheet(tiles, 100, texts=texts)))
    page.sort("name")
    assert page.point(2, 2)[0] == "tile 99"
    assert page.point(6, 2)[0] == "tile 98"
    assert "name n01" in page.point(6, 2)
    assert (labels(page), borders(page)) == ([], 0)
    options = "return Array.from(document.querySelectorAll('#sort option'), option => option.text)"
    assert page.ask(options)[-1] == "name", "no tile has a 'none'"


def test_long_texts_lose_their_middle(page: Page) -> None:
    tiles = np.zeros((2, 1, 3, 3), np.float32)
    texts = {"note": np.array(["long " * 60, "🙂" * 61])}
    page.open(Interactive().render(filterkit.TileSheet(tiles, 2, texts=texts)))
    page.sort("note")
    [line] = [line for line in page.point(2, 2) if line.startswith("note ")]
    assert line.startswith("note long long") and "…" in line and len(line) == 65
    assert f"note {'🙂' * 30}…{'🙂' * 29}" in page.point(2, 6), "no half of a letter"
    assert labels(page)[0] == "long long long lon…g long long long   1"


def test_a_page_of_texts_is_as_small_as_its_words() -> None:
    tiles = np.zeros((64, 64, 3, 3), np.float32)
    bare = filterkit.TileSheet(tiles, 4096)
    texts = {"kind": np.repeat([f"a rather long text {number}" for number in range(64)], 64)}
    spoken = filterkit.TileSheet(tiles, 4096, texts=texts)
    assert len(Interactive().render(spoken)) - len(Interactive().render(bare)) < 30_000
