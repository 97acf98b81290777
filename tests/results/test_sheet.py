"""Sheets and rendered pictures display themselves, are arrays of pixels, and are saved."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageShow

import filterkit
from filterkit.errors import FilterkitError, UsageError
from filterkit.renderers.grid import lay_out
from filterkit.renderers.rendered import Rendered
from filterkit.results.sheet import Sheet


def test_a_sheet_is_the_picture_that_it_displays(bench: filterkit.Workbench) -> None:
    for sheet in (bench.sheet("net/conv1"), bench.sheet("net/conv1", channels="rgb")):
        with Image.open(io.BytesIO(sheet._repr_png_())) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert (np.asarray(sheet).dtype, np.asarray(sheet).shape[2]) == (np.uint8, 3)
        np.testing.assert_array_equal(Figure().subplots().imshow(sheet).get_array(), pixels)
        assert np.asarray(sheet, dtype=np.float32).dtype == np.float32
        with pytest.raises(ValueError, match="without a copy"):
            np.asarray(sheet, copy=False)


@pytest.mark.parametrize("tiles", [(8, 8, 300, 200), (600, 500, 3, 3), (1, 1, 3, 9000), (2, 2, 400, 400, 3)])
def test_what_a_notebook_displays_is_bounded(tiles: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).random(tiles, dtype=np.float32)
    data = Sheet(noise, count=tiles[0] * tiles[1])._repr_png_()
    assert len(data) < 1_000_000
    with Image.open(io.BytesIO(data)) as picture:
        assert max(picture.size) <= 2048


def test_a_reduced_tile_is_the_mean_of_its_values() -> None:
    halves = np.zeros((1, 2, 1000, 1000), np.float32)
    halves[..., 500:] = 1
    halves[:, 1, ::2] = 1 - halves[:, 1, ::2]
    pixels = np.asarray(Sheet(halves, count=2))
    inside = pixels[pixels.shape[0] // 2, :, 0]
    assert {0, 255} <= set(inside.tolist())
    assert np.isin(inside, range(120, 136)).sum() > 200, "rows of 0 and 1 alternate in the second tile"


def test_a_sheet_is_saved_as_it_is_drawn(bench: filterkit.Workbench, tmp_path: Path) -> None:
    sheet = bench.sheet("net/conv1")
    for name in ("a.png", "a.svg", "a.pdf", "a.txt"):
        sheet.save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == bench.render(sheet, suffix=name[1:])
    sheet.save(str(tmp_path / "bare"), "mosaic", scale=3)
    assert (tmp_path / "bare.png").read_bytes() == bench.render(sheet, "mosaic", suffix=".png", scale=3)
    with pytest.raises(UsageError, match="no renderer writes"):
        sheet.save(tmp_path / "a.xyz")
    with pytest.raises(OSError, match="directory"):
        sheet.save(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "representation"), [(".png", "_repr_png_"), (".svg", "_repr_svg_"), (".pdf", ""), (".txt", "")]
)
def test_rendered_pictures_know_their_format(
    bench: filterkit.Workbench, tmp_path: Path, suffix: str, representation: str
) -> None:
    picture = bench.render(bench.sheet("net/conv1"), suffix=suffix)
    assert isinstance(picture, bytes)
    assert picture.suffix == suffix
    for name in ("_repr_png_", "_repr_jpeg_", "_repr_svg_"):
        assert (getattr(picture, name)() is not None) == (name == representation)
    picture.save(tmp_path / "picture")
    assert (tmp_path / f"picture{suffix}").read_bytes() == picture
    assert type(pickle.loads(pickle.dumps(picture))) is Rendered
    assert len(repr(picture)) < 80
    assert str(picture) == repr(picture)


def test_the_renderer_says_what_the_format_is(tmp_path: Path) -> None:
    text = Rendered(b"<svg onload=alert(1)>, as a layer may be called", ".txt")
    assert text._repr_svg_() is None
    assert repr(text) == "<text picture, 47 bytes>"
    jpeg = Rendered(b"\xff\xd8\xff", ".jpeg")
    assert jpeg._repr_jpeg_() == jpeg
    for name in ("a.JPG", "a.jpeg"):
        jpeg.save(tmp_path / name)
    with pytest.raises(UsageError, match=r"format \.jpg, not \.png") as caught:
        jpeg.save(tmp_path / "a.png")
    assert caught.value.hint == "save it as a.jpg, or draw it as .png"


def test_a_chart_shows_and_saves_itself(bench: filterkit.Workbench, tmp_path: Path) -> None:
    chart = bench.stats_chart("net")
    assert chart._repr_png_() == chart
    with Image.open(io.BytesIO(chart)) as picture:
        width, height = picture.size
    assert repr(chart) == f"<PNG picture, {width:,} × {height:,} pixels, {len(chart):,} bytes>"
    chart.save(tmp_path / "chart.png")
    bench.save_stats_chart("net", tmp_path / "same.png")
    assert (tmp_path / "chart.png").read_bytes() == (tmp_path / "same.png").read_bytes()
    with pytest.raises(UsageError, match=r"format \.png, not \.svg"):
        chart.save(tmp_path / "chart.svg")
    assert not (tmp_path / "chart.svg").exists()
    assert bench.stats_chart() == bench.stats_chart("*")


def test_show_uses_a_program_of_the_computer(
    bench: filterkit.Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, int]] = []

    class Viewer(ImageShow.Viewer):
        def show(self, image: Image.Image, **options: object) -> int:
            shown.append(image.size)
            return 1

    monkeypatch.setattr(ImageShow, "_viewers", [Viewer()])
    sheet = bench.sheet("net/conv1")
    sheet.show()
    bench.similar("net/conv1/0").show()
    bench.stats_chart("net").show()
    assert len(shown) == 3
    assert shown[0] == (np.asarray(sheet).shape[1], np.asarray(sheet).shape[0])
    with pytest.raises(UsageError, match="only pixels"):
        bench.stats_chart("net", "svg").show()
    monkeypatch.setattr(ImageShow, "_viewers", [])
    with pytest.raises(FilterkitError, match="no program"):
        sheet.show()


def test_results_are_saved_as_the_workbench_draws_them(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """With the normalizer of a diverging colormap, and with all texts of the file."""
    maps = bench.convolve("classic/edge_sobel_x", Image.effect_noise((16, 16), 60))
    found = bench.similar("net/conv1/0", limit=2)
    differences = bench.diff("net/conv1", "net/conv1")
    path = tmp_path / "x.png"
    for result in (maps, found, differences):
        for colours, renderer, options in (
            (None, None, {}),
            ("RdBu_r", None, {"colormap": "RdBu_r"}),
            ("RdBu_r", "mosaic:colormap=RdBu_r,caption=true", {}),
        ):
            result.save(path, renderer=renderer, **options)
            sheet = bench.sheet(result, colormap=colours)
            assert path.read_bytes() == bench.render(sheet, renderer, suffix=".png", **options)
            with Image.open(path) as picture:
                assert picture.info["filterkit normalizer"] == sheet.provenance["normalizer"]
    assert bench.sheet(maps, colormap="RdBu_r").centre == 0.5


def test_the_caption_does_not_claim_that_the_middle_is_zero(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    remark, sheet = "the middle of the colormap is not zero", bench.sheet("net/conv1")
    for renderer in ("grid", "mosaic:caption=true"):
        sheet.save(tmp_path / "x.png", renderer, colormap="RdBu_r")
    assert lay_out(sheet, 0, "RdBu_r").note[2].replace("\n", " ").endswith(remark)
    for right in (lay_out(sheet), lay_out(bench.sheet("net/conv1", colormap="RdBu_r"), 0, "RdBu_r")):
        assert remark not in right.note[2].replace("\n", " ")


def test_an_unknown_colormap_is_refused_at_once(bench: filterkit.Workbench) -> None:
    for what in ("net/conv1", ["net/conv1/0"], bench.similar("net/conv1/0", limit=2)):
        with pytest.raises(UsageError, match="unknown colormap 'coolwram'") as caught:
            bench.sheet(what, colormap="coolwram")
        assert "did you mean 'coolwarm'" in str(caught.value.hint)
    with pytest.raises(UsageError, match="unknown colormap"):
        next(iter(bench.sheets("net", colormap="coolwram")))
