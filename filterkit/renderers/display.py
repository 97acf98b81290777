"""The picture of a sheet for a notebook: as it is drawn by default, but bounded in pixels."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from filterkit.errors import UsageError
from filterkit.renderers.drawing import suits_grid
from filterkit.renderers.grid import Grid
from filterkit.renderers.mosaic import TARGET, Mosaic

if TYPE_CHECKING:
    from filterkit.records import FloatArray, TileSheet

SIDE = 640
"""Tiles are reduced until all of them have at most this many values per side: a notebook stores its pictures,
and feature maps are hard to compress."""


def display_png(sheet: TileSheet) -> bytes:
    """Draw a sheet as PNG; tiles, and then the picture, are reduced if it would be too large.

    A saved picture has all pixels.
    """
    height, width = sheet.tile_shape
    factor = math.ceil(max(sheet.rows * height, sheet.columns * width) / SIDE)
    down, across = (min(factor, max(1, side // 8)) for side in (height, width))
    if down * across > 1:
        sheet = replace(sheet, tiles=_means(sheet.tiles, down, across), values=None)
    if suits_grid(sheet):
        with suppress(UsageError):  # even a few maps may be too large for a figure
            return compact(Grid().render(sheet))
    return compact(Mosaic(caption=True).render(sheet))


def _means(tiles: FloatArray, down: int, across: int) -> FloatArray:
    """The mean of every `down` × `across` values; what remains at the lower and right edge is left out."""
    rows, columns, height, width, *colours = tiles.shape
    high, wide = height // down, width // across
    blocks = tiles[:, :, : high * down, : wide * across]
    blocks = blocks.reshape(rows, columns, high, down, wide, across, *colours)
    means: FloatArray = blocks.mean(axis=(3, 5), dtype=tiles.dtype)
    return means


def compact(png: bytes) -> bytes:
    """The same picture without channels that it does not need; reduced if even its tiles are too many."""
    from PIL import Image
    from PIL.PngImagePlugin import PngImageFile, PngInfo

    with PngImageFile(io.BytesIO(png)) as picture:  # `Image.open` refuses large pictures of unknown origin
        colours = picture.convert("RGB")
        red, green, blue = (each.tobytes() for each in colours.split())
        compact = colours.getchannel(0) if red == green == blue else colours
        if max(picture.size) > 2 * TARGET:
            compact.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        texts = PngInfo()
        for name, text in picture.text.items():
            texts.add_text(name, text)
        out = io.BytesIO()
        compact.save(out, "PNG", pnginfo=texts)
    return out.getvalue()
