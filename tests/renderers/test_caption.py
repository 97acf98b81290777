"""The caption of a mosaic: where it is written, and that the tiles below it are untouched."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterkit.normalizers.minmax import MinMax
from filterkit.normalizers.symmetric import Symmetric
from filterkit.records import TileSheet
from filterkit.renderers.caption import NARROWEST, order
from filterkit.renderers.mosaic import Mosaic
from filterkit.sheets.tiles import bank_sheet

BANK = np.random.default_rng(0).normal(size=(200, 40, 3, 3)).astype(np.float32)


def read(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def sheet_of(bank: Any, normalizer: Any = None) -> TileSheet:
    made = (normalizer or MinMax()).normalize(bank)
    return bank_sheet(made, filters=range(len(bank)), kernels=range(bank.shape[1]), title="net/conv")


@pytest.mark.parametrize("bank", [BANK, BANK[:3, :2], BANK[:7, :1]])
@pytest.mark.parametrize("background", ["black", "white", "navy"])
@pytest.mark.parametrize("colormap", ["gray", "RdBu_r"])
def test_the_tiles_are_below_it(bank: Any, background: str, colormap: str) -> None:
    sheet = sheet_of(bank)
    options: dict[str, Any] = {"background": background, "colormap": colormap}
    bare = read(Mosaic(**options).render(sheet))
    whole = read(Mosaic(caption=True, **options).render(sheet))
    height = len(whole) - len(bare)
    assert whole.shape[1] == max(bare.shape[1], NARROWEST)
    assert whole.ndim == bare.ndim, "gray pictures stay gray"
    np.testing.assert_array_equal(whole[height:, : bare.shape[1]], bare)
    caption = whole[:height].reshape(height, whole.shape[1], -1).astype(int)
    contrast = abs(caption - caption[0, 0]).max(axis=2)
    assert 40 < height < 120
    assert (contrast > 150).sum() > 500, "legible letters"
    assert not contrast[:, -4:].any() and not contrast[:4].any(), "inside the picture"


def test_the_bar_has_the_colours_and_is_there_for_one_scale() -> None:
    def height(sheet: TileSheet, colormap: str = "gray") -> int:
        options: dict[str, Any] = {"colormap": colormap}
        bare, whole = (read(Mosaic(caption=each, **options).render(sheet)) for each in (False, True))
        return len(whole) - len(bare)

    common, own = sheet_of(BANK), sheet_of(BANK, MinMax(per="filter"))
    about_zero = sheet_of(BANK, Symmetric(per="filter"))
    assert height(common) > height(own) == height(about_zero)
    assert height(about_zero, "RdBu_r") >= height(common) > height(own, "RdBu_r")


def test_the_order_in_words() -> None:
    assert order(sheet_of(BANK)) == (
        "one row per filter, one column per kernel; rows: 0 to 199, from top to bottom; "
        "columns: 0 to 39, from left to right"
    )
    assert order(sheet_of(BANK[:, :1])) == "tiles: 0 to 199, from left to right, then from top to bottom"
    assert order(sheet_of(BANK[:1, :1])) == "tiles: 0, from left to right, then from top to bottom"
    assert order(TileSheet(np.zeros((2, 2, 3, 3), np.float32), 4)) == ""


def test_any_text(make_sheet: Any) -> None:
    sheet = replace(
        make_sheet(2, 3), title="層 \x1b[31m\x00" + "long " * 500, note="", row_labels=("x" * 999,) * 2
    )
    first, again = (Mosaic(caption=True).render(sheet) for _ in range(2))
    assert first == again
    assert read(first).shape[0] < 400
    nothing = TileSheet(np.zeros((2, 2, 3, 3), np.float32), 4)
    assert read(Mosaic(caption=True).render(nothing)).shape[1] == NARROWEST
