"""Diverging colormaps: the middle is zero, the colour bar says so, and other pictures stay as they were."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.renderers.canvas import is_diverging, scale_ends
from filterkit.renderers.grid import Grid, lay_out

pytestmark = pytest.mark.zoo

NEUTRAL = [name for name in mpl.colormaps if name.lower().removesuffix("_r") in {"rdbu", "bwr", "coolwarm"}]


def test_which_colormaps_diverge() -> None:
    """Those that matplotlib's documentation lists, reversed ones included; no others of its own."""
    listed = "PiYG PRGn BrBG PuOr RdGy RdBu RdYlBu RdYlGn Spectral coolwarm bwr seismic berlin managua vanimo"
    names = {name + suffix for name in listed.split() for suffix in ("", "_r")}
    assert {name for name in mpl.colormaps if is_diverging(name)} == names & {*mpl.colormaps}
    assert is_diverging("cmo.balance") and is_diverging("rdbu") and not is_diverging("twilight")


def test_weights_are_symmetric_about_zero(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        largest = abs(bench.bank("vgg16/block1_conv1")).max()
        sheet = bench.sheet("vgg16/block1_conv1/0:6", colormap="RdBu_r")
        assert (sheet.vmin, sheet.vmax) == (pytest.approx(-largest), pytest.approx(largest))
        assert sheet.centre == 0.5
        assert sheet.note.startswith("symmetric about zero over the layer")
        [(_, same)] = bench.sheets("vgg16/block1_conv1/0:6", colormap="RdBu_r")
        np.testing.assert_array_equal(sheet.tiles, same.tiles)
        assert bench.sheet("vgg16/block1_conv1/0", colormap="viridis").note == "min-max over the layer"
        chosen = bench.sheet("vgg16/block1_conv1/0", "minmax", colormap="RdBu_r")
        assert chosen.note == "min-max over the layer"
        picked = bench.sheet(["vgg16/block1_conv1/0", "vgg16/block1_conv2/0"], colormap="coolwarm")
        assert (picked.vmin, picked.centre) == (None, 0.5), "of several layers, too"
        assert picked.note.startswith("symmetric about zero per kernel")
        found = bench.sheet(bench.similar("vgg16/block1_conv1/3", limit=2), colormap="PiYG")
        maps = bench.convolve("classic/edge_sobel_x", Image.effect_noise((16, 16), 60))
        assert bench.sheet(maps, colormap="RdBu").note == "symmetric about zero per filter"
        plain = bench.sheet("vgg16/block1_conv1/0:6")
    assert scale_ends(sheet, "RdBu_r") == (f"−{largest:.3g}", f"{largest:.3g}")
    for own in (picked, found):
        assert scale_ends(own, "RdBu_r") == ("−max", "max")
        layout = lay_out(own, 0, "RdBu_r")
        assert [text for _, _, text in layout.ticks] == ["max", "−max", "0"]
        assert layout.note[2].replace("\n", " ").endswith("; max in the colour bar differs between tiles")
        assert scale_ends(own, "viridis") is None and lay_out(own).bar is None
    assert scale_ends(plain, "gray") is not None and plain.note.startswith("min-max")


@pytest.mark.parametrize("colormap", NEUTRAL)
def test_zero_is_the_middle_of_the_colours(vgg16_catalog: Path, colormap: str) -> None:
    """A weight of zero has the colour of the middle; positive and negative weights differ in hue."""
    with filterkit.open(vgg16_catalog) as bench:
        sheet = bench.sheet("classic/edge_sobel_x", colormap=colormap)
        png = bench.render(sheet, "mosaic:scale=1,gap=0")
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"), int)
    table = mpl.colormaps[colormap](np.linspace(0, 1, 256), bytes=True)[:, :3]
    assert abs(pixels[:, 1] - table[128]).max() <= 6, "the column of zeros"
    outer = [table[0].tolist(), table[-1].tolist()]
    assert sorted(pixels[1, ::2].tolist()) == sorted(outer)


def test_a_sheet_is_drawn_with_the_colormap_that_it_was_made_for(vgg16_catalog: Path) -> None:
    with filterkit.open(vgg16_catalog) as bench:
        sheet: Any = bench.sheet("classic/edge_sobel_x", colormap="RdBu_r")
        assert Grid().render(sheet) == Grid(colormap="RdBu_r").render(sheet)
        with (
            Image.open(io.BytesIO(Grid().render(sheet))) as drawn,
            Image.open(io.BytesIO(sheet._repr_png_())) as shown,
        ):
            assert drawn.convert("RGB").tobytes() == shown.convert("RGB").tobytes()
        assert Grid(colormap="bwr").render(sheet) != Grid().render(sheet)
