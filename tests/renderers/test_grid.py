"""The grid: pixels read back, files that readers of their formats accept, and nothing left behind."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from html import unescape
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import UsageError
from filterkit.normalizers.minmax import MinMax
from filterkit.plugins.protocols import Renderer
from filterkit.records import TileSheet
from filterkit.renderers.grid import FRAME, MAX_TILES, Grid, lay_out
from filterkit.sheets.tiles import bank_sheet


def read(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def tile_of(sheet: Any, pixels: Any, row: int, column: int) -> Any:
    """One tile of a rendered sheet, with the line around it."""
    layout = lay_out(sheet)
    (height, width), (down, across) = sheet.tile_shape, layout.scale
    top = layout.top + layout.gap[0] + row * (height * down + layout.gap[0])
    left = layout.left + layout.gap[1] + column * (width * across + layout.gap[1])
    return pixels[top - 1 : top + height * down + 1, left - 1 : left + width * across + 1]


@pytest.mark.parametrize(
    ("format", "media_type"), [("png", "image/png"), ("svg", "image/svg+xml"), ("pdf", "application/pdf")]
)
def test_fits_the_protocol(format: Any, media_type: str) -> None:
    grid = Grid(format=format)
    assert isinstance(grid, Renderer)
    assert (grid.media_type, grid.suffix) == (media_type, f".{format}")


@pytest.mark.parametrize(
    "shape", [(6, 3, 3, 3), (1, 1, 3, 3), (13, 1, 5, 2), (2, 2, 224, 224), (3, 2, 1, 64)]
)
def test_every_value_is_a_block_of_pixels_of_its_own(make_sheet: Any, shape: tuple[int, ...]) -> None:
    sheet = make_sheet(*shape)
    pixels = read(Grid().render(sheet))
    down, across = lay_out(sheet).scale
    for row, column in np.ndindex(*shape[:2]):
        drawn = tile_of(sheet, pixels, row, column)
        levels = np.floor(sheet.tiles[row, column] * 255 + 0.5).astype(np.uint8)
        np.testing.assert_array_equal(
            drawn[1:-1, 1:-1, 0], np.kron(levels, np.ones((down, across), np.uint8))
        )
        assert (drawn[0] == FRAME).all() and (drawn[:, -1] == FRAME).all()


def test_light_is_large(make_sheet: Any) -> None:
    bank = np.array([[[[-3, 1]], [[1, 5]]], [[[-3, -3]], [[5, 5]]]], np.float32)
    sheet = bank_sheet(MinMax().normalize(bank), filters=[0, 1], kernels=[0, 1])
    pixels = read(Grid().render(sheet))
    assert np.unique(tile_of(sheet, pixels, 0, 0)[1:-1, 1:-1]).tolist() == [0, 128]
    assert np.unique(tile_of(sheet, pixels, 0, 1)[1:-1, 1:-1]).tolist() == [128, 255]
    assert np.unique(tile_of(sheet, pixels, 1, 0)[1:-1, 1:-1]).tolist() == [0]
    assert np.unique(tile_of(sheet, pixels, 1, 1)[1:-1, 1:-1]).tolist() == [255]


def test_colour_pictures_keep_their_colours(make_gallery: Any) -> None:
    tiles = np.zeros((4, 4, 3, 3, 3), np.float32)
    tiles[1, 2, ..., 1] = 1
    sheet = make_gallery(tiles=tiles, count=16)
    drawn = tile_of(sheet, read(Grid(colormap="viridis").render(sheet)), 1, 2)[1:-1, 1:-1]
    assert (drawn == [0, 255, 0]).all()
    assert lay_out(sheet).bar is None


def test_places_without_a_tile_are_paper(make_gallery: Any) -> None:
    sheet = make_gallery(count=13)
    pixels = read(Grid().render(sheet))
    assert (tile_of(sheet, pixels, 3, 0) != 255).any()
    assert (tile_of(sheet, pixels, 3, 1) == 255).all()


def test_the_bar_runs_from_the_smallest_to_the_largest(make_sheet: Any) -> None:
    sheet = make_sheet()
    left, top, height = lay_out(sheet).bar
    bar = read(Grid().render(sheet))[top : top + height, left, 0].astype(int)
    assert (bar[0], bar[-1]) == (255, 0)
    assert (np.diff(bar) <= 0).all()
    assert [words for _, _, words in lay_out(sheet).ticks] == ["1.5", "−0.5", "0"]


@pytest.mark.parametrize("ends", [{"vmin": None, "vmax": None}, {"vmin": 2.0, "vmax": 2.0}])
def test_no_bar_without_a_range(make_sheet: Any, ends: dict[str, Any]) -> None:
    assert lay_out(make_sheet(**ends)).bar is None


def test_zero_on_the_bar_does_not_touch_its_ends(make_sheet: Any) -> None:
    assert len(lay_out(make_sheet(vmin=0.0, vmax=1.0, centre=0.0)).ticks) == 2
    assert len(lay_out(make_sheet(centre=None)).ticks) == 2


def test_labels_are_thinned_where_rows_are_narrow(make_sheet: Any) -> None:
    shown = [words for _, _, words in lay_out(make_sheet(200, 2)).row_labels]
    assert shown[:2] == ["0", "4"] and len(shown) == 50
    shown = [words for _, _, words in lay_out(make_sheet(4, 64)).column_labels]
    assert shown[:2] == ["0", "2"]


def test_tiles_that_are_too_narrow_for_labels_are_labelled_by_row(make_gallery: Any) -> None:
    layout = lay_out(make_gallery(32, 32, 1024))
    assert not layout.tile_labels
    assert [words for _, _, words in layout.row_labels][:3] == ["0", "32", "64"]
    assert len(lay_out(make_gallery(4, 4, 13)).tile_labels) == 13


@pytest.mark.parametrize("tiles", [{}, {"title": "t" * 400, "note": "a longer note " * 40}])
def test_nothing_leaves_the_paper(make_sheet: Any, make_gallery: Any, tiles: dict[str, Any]) -> None:
    names = tuple(f"a rather long name {number}" * 3 for number in range(16))
    for sheet in (
        make_sheet(**tiles),
        make_sheet(1, 1, **tiles),
        make_sheet(64, 1, **tiles),
        make_sheet(2, 16, column_labels=names, **tiles),
        make_sheet(16, 2, row_labels=names, **tiles),
        make_gallery(4, 4, 16, tile_labels=names, **tiles),
    ):
        pixels = read(Grid().render(sheet))
        assert pixels.shape[:2] == (lay_out(sheet).height, lay_out(sheet).width)
        edges = [pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]]
        assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_the_same_sheet_gives_the_same_bytes(make_sheet: Any, format: Any) -> None:
    first = Grid(format=format).render(make_sheet())
    assert first == Grid(format=format).render(make_sheet())


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_labels_are_drawn_as_they_are_written(make_sheet: Any, format: Any) -> None:
    strange = ("$x^2$", "<a & b>", "100 %", "\x1b[31mred\0\n", "$", "\\frac{")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        data = Grid(format=format).render(make_sheet(title="$\\bad{ & <", row_labels=strange))
    if format == "svg":
        ElementTree.fromstring(data)
        # Letters are drawn as paths; the words they were made from stand beside them as comments.
        words = unescape(data.decode("utf-8"))
        assert all(f" {label} " in words for label in ("$x^2$", "<a & b>", "100 %", "\\frac{", "$\\bad{ & <"))
        assert "\x1b" not in words
    elif format == "png":
        Image.open(io.BytesIO(data)).verify()
        assert data != Grid(format=format).render(make_sheet(title="", row_labels=()))
    else:
        assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")


def test_svg_is_well_formed_and_holds_the_tiles(make_sheet: Any) -> None:
    root = ElementTree.fromstring(Grid(format="svg").render(make_sheet()))
    layout = lay_out(make_sheet())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(layout.width * 72 / 150)
    assert len(root.findall(".//{http://www.w3.org/2000/svg}image")) == 2  # tiles and bar
    assert "dc/elements/1.1/}date" not in ElementTree.tostring(root).decode()


def test_pdf_is_one(make_sheet: Any) -> None:
    data = Grid(format="pdf").render(make_sheet())
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in data


def test_too_many_tiles_name_the_mosaic(make_sheet: Any) -> None:
    Grid(scale=1).render(make_sheet(32, 32))
    with pytest.raises(UsageError, match="4,096 tiles") as caught:
        Grid().render(make_sheet(64, 64))
    assert "mosaic" in str(caught.value.hint)
    assert MAX_TILES == 1024


def test_a_figure_that_is_too_large_names_the_mosaic(make_sheet: Any) -> None:
    with pytest.raises(UsageError, match="too large") as caught:
        Grid().render(make_sheet(1, 50, 300, 300))
    assert "mosaic" in str(caught.value.hint)


def test_a_scale_is_kept(make_sheet: Any) -> None:
    assert lay_out(make_sheet(), 5).scale == (5, 5)
    assert len(Grid(scale=5).render(make_sheet())) < len(Grid().render(make_sheet()))


def test_a_sheet_without_any_words() -> None:
    sheet = TileSheet(np.zeros((2, 3, 5, 5), np.float32), count=6)
    assert read(Grid().render(sheet)).size > 0


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"format": "pgn"}, "'png'"), ({"colormap": "grey2"}, "'grey'"), ({"scale": -1}, "negative")],
)
def test_wrong_options_are_wrong_use(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Grid(**options)
    assert hint in str(caught.value.hint)


def test_leaves_matplotlib_as_it_was() -> None:
    """No pyplot, no changed setting, whatever the user's own settings are."""
    code = """
import sys, matplotlib, numpy as np
from filterkit.records import TileSheet
from filterkit.renderers.grid import Grid
sheet = TileSheet(tiles=np.zeros((2, 2, 3, 3), np.float32), count=4, title="t", vmin=0, vmax=1)
plain = Grid().render(sheet)
assert "matplotlib.pyplot" not in sys.modules
matplotlib.rcParams.update({"font.size": 30, "savefig.bbox": "tight", "text.color": "red"})
matplotlib.rcParams.update({"font.family": "serif", "figure.dpi": 30, "savefig.transparent": True})
before = dict(matplotlib.rcParams)
assert Grid().render(sheet) == plain
assert dict(matplotlib.rcParams) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)
