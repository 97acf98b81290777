"""Sheets in files: one picture, or a folder with one per layer, by the renderer of the file type."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

import filterkit
from filterkit.errors import UsageError
from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.registry import Registry
from filterkit.workbench import Workbench


def test_one_file_and_a_folder(small: filterkit.Workbench, tmp_path: Path) -> None:
    [path] = small.draw(small.sheets("net/conv1"), tmp_path / "deep" / "one.png", "mosaic")
    assert path == tmp_path / "deep" / "one.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    paths = list(small.draw(small.sheets("net"), tmp_path / "folder", "mosaic"))
    assert paths == [tmp_path / "folder" / "conv1.png", tmp_path / "folder" / "conv2.png"]
    assert all(each.stat().st_size for each in paths)


def test_several_layers_do_not_fit_into_one_file(small: filterkit.Workbench, tmp_path: Path) -> None:
    with pytest.raises(filterkit.UsageError, match=r"cannot draw 2 layers to one file, x\.png") as caught:
        list(small.draw(small.sheets("net"), tmp_path / "x.png"))
    assert "-o x" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Page:
    media_type = "text/html"
    suffix = ".html"

    def render(self, sheet: filterkit.TileSheet) -> bytes:
        assert sheet.values is not None
        assert not sheet.values.flags.writeable
        return ",".join(sheet.addresses).encode()


@dataclass(frozen=True)
class Raster:
    """Writes two kinds of files, one of which another renderer writes too."""

    format: Literal["webp", "html"] = "webp"
    media_type = "image/webp"

    @property
    def suffix(self) -> str:
        return f".{self.format}"

    def render(self, sheet: filterkit.TileSheet) -> bytes:
        return self.format.encode()


def offering(**renderers: Any) -> PluginHost:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_renderers(self) -> list[filterkit.Contribution[Any]]:
            return [filterkit.Contribution(name, "For a test", made) for name, made in renderers.items()]

    host = load_plugins(discover=False, strict=False, report=lambda line: None)
    host.add(Plugin(), name="filterkit-mine", version="1.5")
    return host


def bench_with(catalog: Path, **renderers: Any) -> Workbench:
    return Workbench(catalog, registry=Registry(offering(**renderers)))


def test_a_plugins_renderer_is_chosen_by_the_suffix(classic_catalog: Path) -> None:
    with bench_with(classic_catalog, page=Page) as bench:
        sheet = bench.sheet("classic/edge_sobel_x")
        assert bench.render(sheet, suffix=".HTML") == b"classic/edge_sobel_x/0/0"
        assert bench.render(sheet, suffix=".png").startswith(b"\x89PNG")


def test_one_renderer_may_write_several_kinds(classic_catalog: Path) -> None:
    with bench_with(classic_catalog, raster=Raster) as bench:
        sheet = bench.sheet("classic/edge_sobel_x")
        assert bench.suffixes("raster") == (".webp", ".html")
        assert bench.suffixes("raster:format=html") == (".html",)
        assert bench.suffixes("grid") == (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")
        assert bench.render(sheet, suffix=".html") == b"html"
        with pytest.raises(UsageError, match=r"'raster' writes \.webp, not \.html"):
            bench.render(sheet, "raster:format=webp", suffix=".html")


def test_two_renderers_of_one_kind_are_both_named(classic_catalog: Path) -> None:
    with bench_with(classic_catalog, page=Page, raster=Raster) as bench:
        sheet = bench.sheet("classic/edge_sobel_x")
        with pytest.raises(UsageError, match="'page' and 'raster'") as caught:
            bench.render(sheet, suffix=".html")
        assert caught.value.hint == "choose one: --renderer page"
        assert bench.render(sheet, "page", suffix=".html")


def test_an_unknown_suffix_and_a_broken_renderer(classic_catalog: Path) -> None:
    with bench_with(classic_catalog, gone="no.such.module:Renderer", page=Page) as bench:
        sheet = bench.sheet("classic/edge_sobel_x")
        assert bench.render(sheet, suffix=".html")
        with pytest.raises(UsageError, match=r"no renderer writes '\.xyz'") as caught:
            bench.render(sheet, suffix=".xyz")
        assert caught.value.hint == "use .html, .jpeg, .jpg, .pdf, .png, .svg, .txt or .webp"
