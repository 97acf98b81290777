"""The page: its content, and the result of hovering, zooming and sorting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filterkit
import numpy as np
import pytest
from filterkit.testing import check_renderer
from page import Page

from filterkit_plotly.renderer import Interactive

LAYER = "net/second"


def sheet_of(tiles: np.ndarray, count: int, **fields: object) -> filterkit.TileSheet:
    return filterkit.TileSheet(tiles, count, **fields)  # type: ignore[arg-type]


def value_in(lines: list[str]) -> float:
    return float(lines[[line.startswith(("at row", "gray level")) for line in lines].index(True) - 1])


def said(lines: list[str], metric: str) -> float:
    """The tile's own number, if the catalog has one of the same name, too."""
    line = next(line for line in lines if line.startswith(f"{metric} "))
    return float(line.removeprefix(f"{metric} "))


def test_it_passes_the_checks_of_renderers() -> None:
    check_renderer(Interactive)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("interactive:colormap=vriidis", "viridis"),
        ("interactive:colormap=0123", "try gray"),
        ("interactive:gap=-1", "0 to 16"),
    ],
)
def test_wrong_options_are_told(catalog: Path, spec: str, words: str) -> None:
    with filterkit.open(catalog) as bench, pytest.raises(filterkit.UsageError, match=words):
        bench.render(bench.sheet(LAYER), spec)


def test_what_no_browser_draws_is_refused() -> None:
    wide = sheet_of(np.zeros((1, 300, 1, 100), np.float32), 300)
    with pytest.raises(filterkit.UsageError, match="30,301 pixels"):
        Interactive().render(wide)


def test_4096_kernels_are_one_picture_and_each_tells_its_weights(
    catalog: Path, page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "kernels.html"
    command = [sys.executable, "-m", "filterkit", "show", LAYER, "-o", path, "--catalog", catalog]
    subprocess.run(command, check=True, capture_output=True)
    with filterkit.open(catalog) as bench:
        bank = bench.bank(LAYER)
    page.open(path.read_bytes())
    assert page.ask("return document.title") == LAYER
    assert page.ask("return document.getElementById('plot').data.length") == 1
    assert page.pixel(0, 0)[0] == (257, 257)
    for number, kernel, row, column in ((0, 0, 0, 0), (17, 42, 1, 2), (63, 63, 2, 2), (40, 0, 2, 1)):
        lines = page.point(1 + 4 * kernel + column, 1 + 4 * number + row)
        assert lines[0] == f"{LAYER}/{number}/{kernel}"
        assert value_in(lines) == pytest.approx(bank[number, kernel, row, column], rel=1e-6)
        assert f"at row {row}, column {column}" in lines
        weights = bank[number, kernel].astype(np.float64)
        assert said(lines, "norm") == pytest.approx(np.linalg.norm(weights), rel=1e-6)
        assert said(lines, "mean") == pytest.approx(weights.mean(), rel=1e-5)
        assert said(lines, "standard deviation") == pytest.approx(weights.std(), rel=1e-6)
        assert said(lines, "smallest") == pytest.approx(weights.min(), rel=1e-6)
        assert said(lines, "largest") == pytest.approx(weights.max(), rel=1e-6)
    assert page.ask("return performance.getEntriesByType('resource').length") == 0, "it fetches nothing"
    assert page.complaints() == []


def test_the_picture_is_the_sheet(catalog: Path, page: Page) -> None:
    with filterkit.open(catalog) as bench:
        sheet = bench.sheet(LAYER)
        page.open(bench.render(sheet, suffix=".html"))
    for number, kernel, row, column in ((0, 0, 0, 0), (5, 60, 1, 2), (63, 63, 2, 2)):
        _, colour = page.pixel(1 + 4 * kernel + column, 1 + 4 * number + row)
        assert colour == (round(float(sheet.tiles[number, kernel, row, column]) * 255),) * 3


@pytest.mark.parametrize(
    ("by", "measure"), [("norm", np.linalg.norm), ("mean", np.mean), ("largest", np.max)]
)
def test_sorting(catalog: Path, page: Page, by: str, measure: object) -> None:
    with filterkit.open(catalog) as bench:
        bank = bench.bank(LAYER)
        page.open(bench.render(bench.sheet(LAYER), suffix=".html"))
    measured = np.array([measure(kernel) for kernel in bank.reshape(-1, 9).astype(np.float64)])  # type: ignore[operator]
    for upwards in (False, True):
        page.sort(by, upwards=upwards)
        order = np.argsort(measured if upwards else -measured, kind="stable")
        for place in (0, 70, 4095):
            lines = page.point(2 + 4 * (place % 64), 2 + 4 * (place // 64))
            number, kernel = divmod(int(order[place]), 64)
            assert lines[0] == f"{LAYER}/{number}/{kernel}"
            assert value_in(lines) == pytest.approx(bank[number, kernel, 1, 1], rel=1e-6)
    page.sort("place")
    assert page.point(2 + 4 * 3, 2 + 4 * 2)[0] == f"{LAYER}/2/3"


@pytest.mark.parametrize("upwards", [False, True])
def test_sorting_by_a_metric_of_the_catalog(catalog: Path, page: Page, upwards: bool) -> None:
    with filterkit.open(catalog) as bench:
        rows = bench.filters("net/third", sort="orientation" if upwards else "-orientation")
        page.open(bench.render(bench.sheet("net/third"), suffix=".html"))
    assert rows[-1]["address"] == "net/third/2", "what is NULL comes last"
    page.sort("orientation", upwards=upwards)
    for place, row in enumerate(rows):
        for kernel in (0, 40):
            lines = page.point(2 + 4 * kernel, 2 + 4 * place)
            assert lines[0] == f"{row['address']}/{kernel}"
            if row["orientation"] is not None:
                assert said(lines, "orientation") == pytest.approx(row["orientation"], rel=1e-6)
                assert said(lines, "classic_score") == pytest.approx(row["classic_score"], rel=1e-6)
    assert "orientation –" in lines
    labels = page.ask("return document.getElementById('plot').layout.yaxis.ticktext")
    assert labels == [str(row["filter"]) for row in rows], "rows of a filter's kernels keep their labels"
    page.sort("norm")
    assert page.ask("return document.getElementById('plot').layout.yaxis.ticktext") == []


def test_the_menu_has_the_metrics_of_the_catalog_that_any_tile_has(catalog: Path, page: Page) -> None:
    groups = "return Array.from(document.querySelectorAll('#sort optgroup'), group => [group.label, "
    groups += "Array.from(group.children, option => option.text)])"
    measured = ["of each tile", ["norm", "mean", "standard deviation", "smallest", "largest"]]
    texts = ["of its filter, in groups", ["dead", "classic_type", "classic_kernel"]]
    with filterkit.open(catalog) as bench:
        for layer in ("net/first", "net/third"):
            sheet = bench.sheet(layer)
            page.open(bench.render(sheet, suffix=".html"))
            names = [name for name, values in sheet.metrics.items() if np.isfinite(values).any()]
            names.remove("dead")
            assert page.ask(groups) == [measured, texts, ["of its filter, in the catalog", names]]
            assert ("opponency" in names) == (layer == "net/first")
    page.open(Interactive().render(sheet_of(np.zeros((1, 1, 3, 3), np.float32), 1)))
    assert page.ask(groups) == [measured]


def test_the_page_of_differences(catalog: Path, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "differences.html"
    command = [sys.executable, "-m", "filterkit", "diff", "net/second", "like/second", "--level", "filter"]
    subprocess.run([*command, "-o", path, "--catalog", catalog], check=True, capture_output=True)
    page.open(path.read_bytes())
    with filterkit.open(catalog) as bench:
        shown = bench.sheet(bench.diff("net/second", "like/second", level="filter")).addresses
        for tile in (0, 1, 15):
            lines = page.point(2 + 4 * (tile % 6), 1 + 4 * (tile // 6))
            assert lines[0] == shown[tile]
            weights = bench.bank(shown[tile])
            assert value_in(lines) == pytest.approx(float(weights[0, 0, 0, 1]), rel=1e-6)
            [row] = bench.filters(shown[tile].rpartition("/")[0])
            assert said(lines, "l2_norm") == pytest.approx(row["l2_norm"], rel=1e-6)


def test_the_page_of_what_is_similar(catalog: Path, page: Page) -> None:
    with filterkit.open(catalog) as bench:
        found = bench.similar("[[1,0,-1],[2,0,-2],[1,0,-1]]", limit=3)
        page.open(bench.render(bench.sheet(found), suffix=".html"))
        [best] = bench.bank(found[0]["address"]).reshape(1, 9)
    lines = page.point(2, 2)
    assert lines[0] == "[[1,0,-1],[2,0,-2],[1,0,-1]]"
    assert not any("catalog" in line for line in lines)
    lines = page.point(2, 6)
    assert lines[0] == found[0]["address"]
    assert value_in(lines) == pytest.approx(float(best[4]), rel=1e-6)
    assert "its filter, in the catalog" in lines


def test_zooming_keeps_what_is_pointed_at(catalog: Path, page: Page) -> None:
    with filterkit.open(catalog) as bench:
        page.open(bench.render(bench.sheet(LAYER), suffix=".html"))
    before = page.point(130, 130)
    page.zoom(130, 130)
    assert page.point(120, 120) != before
    assert page.point(130, 130) == before
    low, high = page.ask("return document.getElementById('plot')._fullLayout.xaxis.range")
    assert high - low < 257


def test_colours_tell_three_values(catalog: Path, page: Page) -> None:
    with filterkit.open(catalog) as bench:
        bank = bench.bank("net/first")
        page.open(bench.render(bench.sheet("net/first", channels="rgb"), suffix=".html"))
    lines = page.point(2, 3)
    assert lines[0] == "net/first/0"
    values = [float(part) for part in lines[1].split() if part not in "RGB"]
    np.testing.assert_allclose(values, bank[0, :, 2, 1], rtol=1e-6)


def test_values_outside_the_ends_and_not_finite_are_told_as_they_are(page: Page) -> None:
    tiles = np.full((1, 2, 1, 2), 0.5, np.float32)
    values = np.array([5, np.nan, -np.inf, 1e-30], np.float32).reshape(tiles.shape)
    page.open(
        Interactive().render(sheet_of(tiles, 2, vmin=0.0, vmax=1.0, values=values, tile_labels=("a", "b")))
    )
    assert page.point(1, 1)[:2] == ["a", "5"]
    assert page.point(2, 1)[1] == "NaN"
    assert page.point(4, 1)[1] == "-Infinity"
    assert page.point(5, 1)[1] == "1e-30"


def test_values_are_worked_out_of_the_ends_and_else_gray_levels_are_told(page: Page) -> None:
    tiles = np.array([0.25, 1], np.float32).reshape(1, 1, 1, 2)
    page.open(Interactive().render(sheet_of(tiles, 1, vmin=-1.0, vmax=3.0)))
    assert (value_in(page.point(1, 1)), value_in(page.point(2, 1))) == (0, 3)
    page.open(Interactive().render(sheet_of(tiles, 1)))
    lines = page.point(1, 1)
    assert lines[0] == "tile 0"
    assert value_in(lines) == 0.25
    assert "gray level (0 to 1) at row 0, column 0" in lines


def test_empty_places_tell_nothing(page: Page) -> None:
    page.open(Interactive().render(sheet_of(np.zeros((2, 2, 3, 3), np.float32), 3, tile_labels=tuple("abc"))))
    assert page.point(2, 6)[0] == "c"
    assert page.point(6, 6) == []


def test_long_labels_lose_their_middle(page: Page) -> None:
    rows = tuple(f"a-long-name-of-a-model/block1_conv1/{number} 0.{number}" for number in (17, 42))
    columns = ("vgg16/block1_conv1/3", "short")
    tiles = np.zeros((2, 2, 9, 9), np.float32)
    page.open(Interactive().render(sheet_of(tiles, 4, row_labels=rows, column_labels=columns)))
    shown = "return document.getElementById('plot').layout[arguments[0]].ticktext"
    assert page.ask(shown, "yaxis") == [
        "a-long-name-of-a-m…ck1_conv1/17 0.17",
        "a-long-name-of-a-m…ck1_conv1/42 0.42",
    ]
    assert page.ask(shown, "xaxis") == ["vgg16/bl…conv1/3", "short"]


def test_what_is_told_fits_into_narrow_windows(catalog: Path, page: Page) -> None:
    box = "return document.getElementById('tip').getBoundingClientRect().toJSON()"
    buttons = "return document.querySelector('.modebar-group').getBoundingClientRect().bottom"
    with page.sized(390, 800):
        with filterkit.open(catalog) as bench:
            page.open(bench.render(bench.sheet("net/first", channels="rgb"), suffix=".html"))
        for by, places in (("place", ((2, 2), (30, 2), (30, 30))), ("classic_type", ((2, 2),))):
            page.sort(by)
            page.rest()
            assert page.ask(buttons) <= page.place(0, 0)[1], "the buttons hide no tiles"
            for x, y in places:
                assert page.point(x, y)
                tip = page.ask(box)
                assert tip["left"] >= 0 and tip["right"] <= 390
                assert tip["top"] >= 0 and tip["bottom"] <= 800
        assert page.ask("return document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (3, 4), (4, 1)])
def test_the_hover_text_covers_nothing_of_its_tile(page: Page, shape: tuple[int, int]) -> None:
    """With few tiles, each is larger than the distance to the pointer."""
    rows, columns = shape
    tiles = np.random.default_rng(0).random((*shape, 5, 5), np.float32)
    box = "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()"
    with page.sized(1100, 800):
        page.open(Interactive().render(sheet_of(tiles, rows * columns)))
        for y in range(1, rows * 6, 2):
            for x in range(1, columns * 6, 2):
                assert page.point(x, y)
                tip, tile = page.ask(box, "tip"), page.ask(box, "frame")
                assert tip["left"] >= 0 and tip["right"] <= 1100
                assert tip["top"] >= 0 and tip["bottom"] <= 800
                beside = tip["left"] >= tile["right"] or tip["right"] <= tile["left"]
                assert beside or tip["top"] >= tile["bottom"] or tip["bottom"] <= tile["top"], (x, y)


def test_words_stay_words(page: Page) -> None:
    words = "<img src=x onerror='document.title=1'></script><script>document.title=1</script> {{data}} $x$"
    tiles = np.zeros((2, 1, 3, 3), np.float32)
    sheet = sheet_of(tiles, 2, title=words, note=words, row_labels=(words, "b"), column_labels=(words,))
    page.open(Interactive().render(sheet))
    assert page.text("title") == words
    assert page.ask("return document.title") == words
    assert page.point(2, 2)[0] == f"{words} · {words}"
    assert page.ask("return document.querySelectorAll('img').length") == 0
    assert page.complaints() == []


def test_a_frame_stands_around_the_tile(page: Page) -> None:
    tiles = np.zeros((2, 3, 2, 4), np.float32)
    page.open(Interactive(gap=2).render(sheet_of(tiles, 6)))
    page.point(2 + 6 + 1, 2 + 4 + 1)
    frame = "return document.getElementById('frame').getBoundingClientRect().toJSON()"
    box, (left, top) = page.ask(frame), page.place(7 - 0.5, 5 - 0.5)
    right, bottom = page.place(7 + 6 - 0.5, 5 + 4 - 0.5)
    found = [box["left"], box["top"], box["right"], box["bottom"]]
    np.testing.assert_allclose(found, [left, top, right, bottom], atol=1.5)
