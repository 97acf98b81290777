"""Mosaic: every tile as pixels in a PNG, JPEG or WebP, for any number of kernels."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageColor, PngImagePlugin

from filterkit.errors import UsageError, closest
from filterkit.renderers.canvas import GRAY, colormap_for, colour_table, column_start, paint
from filterkit.renderers.caption import with_caption
from filterkit.renderers.compressed import LOSSY, check_quality, compressed
from filterkit.renderers.metadata import metadata

if TYPE_CHECKING:
    from filterkit.records import TileSheet

MEDIA_TYPES = {"png": "image/png", **LOSSY}

TARGET = 1024
"""Target for the longer side in pixels with automatic scale."""

LARGEST_SCALE = 32
"""The largest automatic scale: a single 3 × 3 kernel becomes 96 pixels wide."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Draw all tiles, however many, into one picture.

    Parameters
    ----------
    scale
        Pixels per value and side. 0 selects the largest scale (at most 32) with which the longer side is at
        most 1,024 pixels, or 1 if there is none.
    gap
        Pixels between and around tiles.
    colormap
        Name of a matplotlib colormap; in the default, ``gray``, large values are light.
    background
        Colour of gaps and empty cells: a name or ``#rrggbb``.
    format
        ``png``, ``jpg``, ``jpeg`` or ``webp``.
    quality
        Of JPEG and WebP, 1 to 100; the default is 90.
    caption
        Write title, order of the tiles, note and scale above them. Without it, the picture has no other
        pixels than the tiles and gaps.

    Raises
    ------
    UsageError
        If an option is unknown or out of range; when rendering, if the picture would be too large.
    """

    scale: int = 0
    gap: int = 1
    colormap: str = GRAY
    background: str = "black"
    format: Literal["png", "jpg", "jpeg", "webp"] = "png"
    quality: int | None = None
    caption: bool = False

    def __post_init__(self) -> None:
        if self.format not in MEDIA_TYPES:
            raise UsageError(f"mosaic cannot write '{self.format}'", hint=closest(self.format, MEDIA_TYPES))
        check_quality(self.format, self.quality)
        if self.scale < 0 or self.gap < 0:
            raise UsageError(f"invalid scale={self.scale} or gap={self.gap}", hint="neither may be negative")
        colour_table(self.colormap)
        _colour(self.background)

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def suffix(self) -> str:
        return f".{self.format}"

    def render(self, sheet: TileSheet) -> bytes:
        """The sheet as a picture: grayscale if everything in it is gray, else RGB."""
        scale = self.scale or self._automatic_scale(sheet)
        colormap, background = colormap_for(sheet, self.colormap), _colour(self.background)
        canvas = paint(
            sheet,
            scale=(scale, scale),
            gap=(self.gap, self.gap),
            colormap=colormap,
            background=background,
        )
        if self.caption:
            canvas = with_caption(canvas, sheet, colormap, background)
        if self.format in LOSSY:
            return compressed(canvas, self.format, self.quality)
        texts = PngImagePlugin.PngInfo()
        for name, text in metadata(sheet.title, sheet.note, sheet.provenance).items():
            texts.add_text(name, text)
        out = io.BytesIO()
        # Kernels are noise to a compressor, so only runs of equal bytes are worth compressing.
        Image.fromarray(canvas).save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=texts)
        return out.getvalue()

    def _automatic_scale(self, sheet: TileSheet) -> int:
        height, width = sheet.tile_shape
        down = (TARGET - self.gap) // sheet.rows - self.gap
        across = (TARGET - self.gap - column_start(sheet, sheet.columns, 0, self.gap)) // sheet.columns
        return max(1, min(down // height, across // width, LARGEST_SCALE))


def _colour(name: str) -> tuple[int, int, int]:
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UsageError(f"unknown colour '{name}'", hint="use a name such as white, or #rrggbb") from None
