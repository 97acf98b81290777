"""The canvas, compared with tiles that are placed one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps

from filterkit.errors import UsageError
from filterkit.records import TileSheet
from filterkit.renderers.canvas import MAX_PIXELS, canvas_shape, colour_table, paint, to_bytes


def one_by_one(
    sheet: TileSheet, scale: tuple[int, int], gap: tuple[int, int], table: np.ndarray, **more: Any
) -> np.ndarray:
    canvas = np.empty((*canvas_shape(sheet, scale, gap), 3), np.uint8)
    canvas[:] = more["background"]
    height, width = sheet.tile_shape[0] * scale[0], sheet.tile_shape[1] * scale[1]
    for place in range(sheet.count):
        row, column = divmod(place, sheet.columns)
        top, left = gap[0] + row * (height + gap[0]), gap[1] + column * (width + gap[1])
        if more["frame"] is not None:
            canvas[top - 1 : top + height + 1, left - 1 : left + width + 1] = more["frame"]
        tile = np.floor(sheet.tiles[row, column] * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        pixels = tile if sheet.is_colour else table[tile]
        canvas[top : top + height, left : left + width] = pixels.repeat(scale[0], 0).repeat(scale[1], 1)
    return canvas


@given(
    st.tuples(*[st.integers(1, 4)] * 4),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(2, 4)] * 2),
    st.sampled_from(["gray", "viridis"]),
    st.sampled_from([(0, 0, 0), (255, 255, 255), (10, 200, 30)]),
    st.sampled_from([None, 128]),
    st.booleans(),
    st.data(),
)
def test_every_tile_is_where_it_belongs(
    shape: tuple[int, ...],
    scale: tuple[int, int],
    gap: tuple[int, int],
    colormap: str,
    background: tuple[int, int, int],
    frame: int | None,
    colour: bool,
    data: st.DataObject,
) -> None:
    tiles = np.random.default_rng(0).random((*shape, 3) if colour else shape, np.float32)
    sheet = TileSheet(tiles, count=data.draw(st.integers(0, shape[0] * shape[1])))
    more = {"background": background, "frame": frame}
    canvas = paint(sheet, scale=scale, gap=gap, colormap=colormap, **more)  # type: ignore[arg-type]
    is_gray = not colour and colormap == "gray" and len(set(background)) == 1
    assert canvas.ndim == (2 if is_gray else 3)
    expected = one_by_one(sheet, scale, gap, colour_table(colormap), **more)
    np.testing.assert_array_equal(canvas[..., None].repeat(3, 2) if is_gray else canvas, expected)


def test_bytes_are_the_nearest() -> None:
    assert to_bytes(np.arange(256, dtype=np.float32) / 255).tolist() == list(range(256))
    assert to_bytes(np.float32([0.4 / 255, 0.6 / 255, 1])).tolist() == [0, 1, 255]


@pytest.mark.parametrize("name", ["RdBu_r", "viridis", "inferno"])
def test_colours_are_those_of_matplotlib(name: str) -> None:
    table = colour_table(name)
    np.testing.assert_array_equal(table, colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3])
    assert not table.flags.writeable


def test_unknown_colormaps_name_the_closest() -> None:
    with pytest.raises(UsageError, match="unknown colormap 'virids'") as caught:
        colour_table("virids")
    assert "viridis" in str(caught.value.hint)


def test_pixels_have_a_limit() -> None:
    tiles = np.broadcast_to(np.float32(0), (1, 1, 1 << 12, 1 << 12))
    scale = (MAX_PIXELS >> 24, 1)
    sheet = TileSheet(tiles, count=1)
    assert canvas_shape(sheet, scale, (0, 0)) == (scale[0] << 12, 1 << 12)
    with pytest.raises(UsageError, match="is too large"):
        canvas_shape(sheet, scale, (0, 1))
