"""Panels of plugins on pages: what they show, as what, and what becomes of those that fail."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from explorer import Explorer, exploring
from PIL import Image

import filterkit

FILTER = "/m/classic/edge_sobel_x/0"
NASTY = "<img src=x onerror=alert(1)>\"'`"

PLUGIN = f"""
import sys, time
import numpy as np
import filterkit

NASTY = {NASTY!r}

def panel(title, show, kinds=("filter",), **more):
    return type("Made", (), {{"title": title, "kinds": kinds, "show": staticmethod(show), **more}})

def divide(bench, address, options):
    return 1 / 0

def sheet(tiles):
    return filterkit.TileSheet(np.array(tiles, np.float32), count=len(tiles[0]))

def missing(bench, address, options):
    raise filterkit.UsageError("there is nothing to see", hint="`filterkit add` something")

COUNT = []

PANELS = {{
    "rows": panel("Rows", lambda bench, address, _: bench.filters(address, columns=("address", "l2_norm"))),
    "kernels-of-all": panel("Everywhere", lambda bench, address, options: [{{"address": address}}],
                            ("model", "layer", "filter", "kernel")),
    "many": panel("Many", lambda *_: [{{"n": n}} for n in range(250)]),
    "pictured": panel("Pictured", lambda *_: sheet([[[[0, 0.5], [1, 0.25]]]])),
    "both": panel("Both", lambda *_: filterkit.PanelContent(
        [{{"a": 1, "b": NASTY}}], ("b",), "About <it>", {{"one & only": sheet([[[[0.0]], [[1.0]]]])}})),
    "nasty": panel(NASTY, lambda *_: [{{NASTY: NASTY, "address": NASTY}}]),
    "asked": panel("Asked", lambda bench, address, options: [{{"options": str(sorted(options.items()))}}]),
    "nothing": panel("Nothing", lambda *_: None),
    "counted": panel("Counted", lambda *_: sheet([[[[(COUNT.append(0) or len(COUNT)) / 255]]]])),
    "later": panel("Later", lambda *_: [{{"n": 7}}], heavy=True),
    "later-nothing": panel("Later, nothing", lambda *_: None, heavy=True),
    "missing": panel("Missing", missing),
    "divides": panel("Divides", divide),
    "nonsense": panel("Nonsense", lambda *_: 3),
    "no-template": panel("No template", lambda *_: filterkit.PanelContent(template="trial:none.html")),
    "of-a-filter": panel("Of a kernel", lambda bench, address, options: [], ("kernel",)),
    "imports": "nowhere.at_all:Panel",
    "strange": lambda: object(),
}}

@filterkit.hookimpl
def filterkit_panels():
    return [filterkit.Contribution(name, "A panel", made) for name, made in PANELS.items()]
"""

FAILED = {
    "divides": "show(): ZeroDivisionError: division by zero",
    "nonsense": "show() returned an int, not rows, a sheet or PanelContent",
    "no-template": "the template trial:none.html: ModuleNotFoundError: No module named 'trial'",
    "imports": "ModuleNotFoundError: No module named 'nowhere'",
    "strange": "is an object, which is not a Panel: it lacks title, kinds, show",
}


@pytest.fixture(scope="module")
def explorer(classic_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "trial.py").write_text(PLUGIN)
    with exploring(classic_catalog, FILTERKIT_PLUGINS_DIR=str(folder)) as running:
        yield running


def sections(page: str) -> dict[str, str]:
    """The HTML of each panel by its title."""
    found = re.findall(r'<section class="panel[^>]*>\s*<h2[^>]*>(.*?)</h2>(.*?)</section>', page, re.S)
    return {unescape(title): html for title, html in found}


def test_built_in_panels_come_first_then_those_of_plugins(explorer: Explorer) -> None:
    page = explorer.get(FILTER)
    assert page.status == 200
    titles = list(sections(page.text))
    first = (
        "Kernels",
        "Expanded weights",
        "What it responds to",
        "Feature visualization",
        "Strongest connections",
    )
    others = (
        "Similar in this network",
        "Similar in all networks",
        "Responds alike in all networks",
        "Metrics",
    )
    assert titles[:9] == [*first, *others]
    assert titles[9:14] == ["Rows", "Everywhere", "Many", "Pictured", "Both"]
    assert "Nothing" not in titles
    assert "Of a kernel" not in titles
    assert "Of a kernel" in sections(explorer.get(f"{FILTER}/0").text)


def test_panels_of_every_page(explorer: Explorer) -> None:
    for path, address in (
        ("", "classic"),
        ("/edge_sobel_x", "classic/edge_sobel_x"),
        ("/edge_sobel_x/0/0", ""),
    ):
        page = explorer.get(f"/m/classic{path}").text
        assert (address or "classic/edge_sobel_x/0/0") in sections(page)["Everywhere"]


def test_rows_are_a_table_with_pictures_and_data(explorer: Explorer) -> None:
    html = sections(explorer.get(FILTER).text)["Rows"]
    assert f'<a class="address" href="{FILTER}">' in html
    assert "/pictures/" in html
    [row] = explorer.get(f"{FILTER}?panel=rows&format=json").json
    assert row["address"] == "classic/edge_sobel_x/0"
    lines = explorer.get(f"{FILTER}?panel=rows&format=csv").text.splitlines()
    assert [lines[0], len(lines)] == ["address,l2_norm", 2]
    assert set(re.findall(r'href="([^"]*format=[^"]*)"', html)) == {
        f"{FILTER}?panel=rows&amp;format={form}" for form in ("json", "csv")
    }


def test_long_tables_are_cut_on_the_page_only(explorer: Explorer) -> None:
    html = sections(explorer.get(FILTER).text)["Many"]
    assert html.count("<tr>") == 101
    assert "The first 100 of 250" in html
    assert len(explorer.get(f"{FILTER}?panel=many&format=json").json) == 250


def test_a_sheet_is_a_picture_under_its_own_url(explorer: Explorer) -> None:
    [url] = re.findall(r'<img class="large" src="([^"]+)"', sections(explorer.get(FILTER).text)["Pictured"])
    answer = explorer.get(unescape(url))
    assert answer.headers["Content-Type"] == "image/png"
    drawn = np.array(Image.open(io.BytesIO(answer.body)).convert("L"))
    side = len(drawn) // 2
    centres = drawn[side // 2 :: side, side // 2 :: side]
    assert centres.tolist() == [[0, 128], [255, 64]]
    assert explorer.get(f"{FILTER}?panel=pictured&format=png&sheet=other").status == 404


def test_sheets_and_rows_together(explorer: Explorer) -> None:
    html = sections(explorer.get(FILTER).text)["Both"]
    assert "<figcaption>one &amp; only</figcaption>" in html
    assert "<caption>About &lt;it&gt;</caption>" in html
    assert 'scope="col">b</th>' in html
    assert 'scope="col">a</th>' not in html
    assert explorer.get(f"{FILTER}?panel=both&format=json").json == [{"a": 1, "b": NASTY}]
    [url] = re.findall(r'<img class="sheet" src="([^"]+)"', html)
    assert explorer.get(unescape(url)).status == 200


def test_everything_of_a_plugin_is_escaped(explorer: Explorer) -> None:
    for path in (
        FILTER,
        f"{FILTER}?panel=nasty",
        f"{FILTER}?panel=nasty&fragment=1",
        f"{FILTER}?panel={NASTY}",
    ):
        page = explorer.get(path.replace(" ", "%20"))
        assert "<img src=x" not in page.text
    assert NASTY in sections(explorer.get(FILTER).text)


def test_a_panel_gets_the_query_of_the_page(explorer: Explorer) -> None:
    answer = explorer.get(f"{FILTER}?panel=asked&format=json&observation=photos&fragment=1")
    assert answer.json == [{"options": "[('observation', 'photos')]"}]
    assert "observation=photos" in sections(explorer.get(f"{FILTER}?observation=photos").text)["Asked"]


def test_heavy_panels_are_loaded_after_the_page(explorer: Explorer) -> None:
    page = explorer.get(FILTER).text
    assert f'data-panel="{FILTER}?panel=later"' in page
    html = sections(page)["Later"]
    assert f'<a href="{FILTER}?panel=later">' in html
    assert "<table>" not in html
    own = explorer.get(f"{FILTER}?panel=later")
    assert (own.status, own.text.count("<h1>")) == (200, 1)
    assert ">7</td>" in own.text
    fragment = explorer.get(f"{FILTER}?panel=later&fragment=1")
    assert ">7</td>" in fragment.text
    assert "<html" not in fragment.text
    assert "<script" not in fragment.text
    nothing = explorer.get(f"{FILTER}?panel=later-nothing&fragment=1")
    assert (nothing.status, "there is nothing to show" in nothing.text) == (200, True)


@pytest.mark.zoo
def test_the_expanded_picture(vgg16: Explorer, vgg16_catalog: Path) -> None:
    address = "vgg16/block2_conv1/3"
    assert f'data-panel="/m/{address}?panel=expanded"' in vgg16.get(f"/m/{address}").text
    fragment = vgg16.get(f"/m/{address}?panel=expanded&fragment=1")
    assert "<figcaption>10×10 pixels</figcaption>" in fragment.text
    [url] = re.findall(r'<img class="large" src="([^"]+)"', fragment.text)
    pictures = [vgg16.get(unescape(url)).body for _ in range(2)]  # the second is computed again
    assert pictures[0] == pictures[1]
    drawn = np.array(Image.open(io.BytesIO(pictures[0])))
    with filterkit.open(vgg16_catalog) as bench:
        tiles = bench.sheet(address, expand=True).tiles[0, 0]
    scale = len(drawn) // 10
    centres = drawn[scale // 2 :: scale, scale // 2 :: scale]
    assert np.abs(centres / 255 - tiles).max() < 0.01


def test_sheets_are_computed_once_for_their_page(explorer: Explorer) -> None:
    counts = []
    for _ in range(2):
        [url] = re.findall(r'src="([^"]+panel=counted[^"]+)"', explorer.get(FILTER).text)
        counts.append(Image.open(io.BytesIO(explorer.get(unescape(url)).body)).convert("L").getpixel((5, 5)))
    assert counts[1] == counts[0] + 1  # type: ignore[operator]


@pytest.mark.parametrize("name", FAILED)
def test_a_panel_that_fails_is_a_line(explorer: Explorer, name: str) -> None:
    page = explorer.get(FILTER)
    assert page.status == 200
    lines = [unescape(line) for line in re.findall(r'<p class="note failed">(.*?)</p>', page.text, re.S)]
    line = rf"panel '{name}' of plugin trial file-\w+ failed: {re.escape(FAILED[name])}"
    assert any(re.match(line, each) for each in lines), lines
    data = explorer.get(f"{FILTER}?panel={name}&format=json")
    assert data.status == 500 or (name == "no-template" and data.status == 404)


def test_what_has_a_reason_is_no_fault(explorer: Explorer) -> None:
    html = sections(explorer.get(FILTER).text)["Missing"]
    assert "there is nothing to see" in html
    assert "<code>filterkit add</code> something" in html
    assert "failed:" not in html


@pytest.mark.parametrize("query", ["panel=none", "panel=of-a-filter", "panel=nothing", "panel=trial/none"])
def test_panels_that_are_not_there(explorer: Explorer, query: str) -> None:
    for more in ("", "&fragment=1", "&format=json", "&format=png"):
        assert explorer.get(f"{FILTER}?{query}{more}").status in (400, 404)


def test_blocked_panels_are_left_out(classic_catalog: Path) -> None:
    with exploring(classic_catalog, FILTERKIT_PLUGINS_BLOCKED="filterkit.panels") as running:
        page = running.get(FILTER)
        assert page.status == 200
        assert sections(page.text) == {}


def test_a_slow_import_keeps_no_page_waiting(classic_catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "sleepy.py").write_text(
        "import threading, filterkit\n"
        "@filterkit.hookimpl\n"
        "def filterkit_panels():\n"
        "    return [filterkit.Contribution('asleep', 'Never made', threading.Event().wait)]\n"
    )
    with exploring(classic_catalog, FILTERKIT_PLUGINS_DIR=str(tmp_path)) as running:
        page = running.get(FILTER)
        assert page.status == 200
        assert re.search(r"panel '\w+' of plugin sleepy \S+ is still being imported", unescape(page.text))
        assert running.stop()[0] == 130


def test_strict_plugins_raise(classic_catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "trial.py").write_text(PLUGIN)
    variables = {"FILTERKIT_PLUGINS_DIR": str(tmp_path), "FILTERKIT_STRICT_PLUGINS": "1"}
    with exploring(classic_catalog, **variables) as running:
        page = running.get(FILTER)
        assert page.status == 500
        assert "plugin trial file-" in page.text
