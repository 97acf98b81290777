"""How tables display themselves, as text and in a notebook."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.errors import UsageError
from filterkit.results.rows import Rows


@pytest.fixture
def bench(classic_catalog: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(classic_catalog) as opened:
        yield opened


class Page(HTMLParser):
    """Collects the texts of cells, their styles and the pictures, and checks that tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.styles: list[str] = []
        self.pictures: list[bytes] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            head, _, data = str(given["src"]).partition(",")
            assert head == "data:image/png;base64"
            self.pictures.append(b64decode(data))
            return
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.styles.append(given["style"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def numbered(count: int) -> Rows:
    return Rows(
        [{"name": f"n{number}", "value": number * 1000} for number in range(count)], ("name", "value")
    )


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (20, 20), (21, 20), (4224, 20)])
def test_a_notebook_shows_twenty_rows_and_says_how_to_see_more(count: int, shown: int) -> None:
    html = numbered(count)._repr_html_()
    assert html.count("<tr>") == shown + 1
    assert f"{count:,} row{'s' * (count != 1)} × 2 columns" in html
    assert (f"{count - shown:,} more: <code>rows[20:40]</code>" in html) == (count > shown)
    assert len(html) < 5_000


def test_numbers_are_aligned_and_no_theme_is_assumed() -> None:
    page = Page(numbered(3)._repr_html_())
    assert page.cells == ["name", "value", "n0", "0", "n1", "1,000", "n2", "2,000"]
    assert [style.startswith("text-align:right") for style in page.styles] == [False, True] * 4
    assert not re.search(r"color|background|#[0-9a-f]{3}", numbered(3)._repr_html_())


def test_names_from_models_are_text() -> None:
    evil = "<script>alert(1)</script>\u202e\x1b[2J"
    html = Rows([{evil: evil, "list": [evil], "long": "x" * 10_000}], (evil, "list", "long"))._repr_html_()
    assert "<script" not in html and "\u202e" not in html and "\x1b" not in html
    assert len(html) < 3_000
    assert "<script>alert(1)</script>\\u202e\\x1b[2J" in Page(html).cells


def test_wide_tables_are_cut() -> None:
    names = [f"c{number}" for number in range(2_000)]
    rows = Rows([dict.fromkeys(names, "y" * 500)] * 30, names)
    assert "1,950 more columns: <code>rows.columns</code>" in rows._repr_html_()
    assert len(rows._repr_html_()) < 200_000
    assert len(repr(rows)) < 1_500


def test_a_repr_has_a_few_lines() -> None:
    assert repr(numbered(2)).splitlines() == [
        "name  value",
        "────  ─────",
        "n0        0",
        "n1    1,000",
        "[Rows: 2 rows × 2 columns]",
    ]
    assert repr(numbered(10)).count("\n") == 12
    assert repr(numbered(11)).splitlines()[-2:] == ["…", "[Rows: 11 rows × 2 columns]"]
    assert repr(numbered(4224)).count("\n") == 8
    assert repr(numbered(0)) == "[Rows: 0 rows × 2 columns]"
    assert repr(Rows([], ())) == "[Rows: 0 rows × 0 columns]"


def test_pictures_of_filters_layers_and_groups(bench: filterkit.Workbench) -> None:
    for rows, widths in (
        (bench.filters("classic", limit=3), [3, 3, 3]),
        (bench.layers("classic/edge_sobel_x"), [3]),
        (bench.similar("classic/edge_sobel_x/0/0", limit=2), [3, 3]),
        (bench.diff("classic/edge_sobel_x", "classic/edge_sobel_y"), [3, 3]),
    ):
        assert "<img" not in rows._repr_html_()
        pictured = rows.with_pictures()
        assert type(pictured) is type(rows) and pictured == rows
        page = Page(pictured._repr_html_())
        pictures = [Image.open(io.BytesIO(png)) for png in page.pictures]
        assert [picture.width for picture in pictures] == widths
        assert all(len(png) < 500 for png in page.pictures)
        assert rows[0][rows.columns[0]] in page.cells
    sobel = bench.bank("classic/edge_sobel_x")[0, 0]
    [picture] = Page(bench.filters("classic/edge_sobel_x").with_pictures()._repr_html_()).pictures
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), np.float64)
    np.testing.assert_allclose(pixels / 255, (sobel + 2) / 4, atol=0.003)


def test_pictures_are_drawn_when_they_are_displayed_and_for_those_rows_only(
    bench: filterkit.Workbench,
) -> None:
    rows = bench.filters("classic")
    many = (rows + rows).with_pictures()
    assert len(many) == 26
    assert len(Page(many._repr_html_()).pictures) == 20
    assert len(Page(many[20:]._repr_html_()).pictures) == 6
    assert len(Page(many[["address", "bias"]]._repr_html_()).pictures) == 20


def test_without_addresses_there_is_nothing_to_draw(bench: filterkit.Workbench) -> None:
    for rows in (
        bench.models(),
        bench.query("SELECT name FROM layer"),
        Rows([{"address": "a"}], ["address"]),
    ):
        with pytest.raises(UsageError, match="no addresses"):
            rows.with_pictures()
