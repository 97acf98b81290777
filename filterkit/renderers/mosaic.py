"""Mosaic: every tile as pixels in a PNG, for any number of kernels."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PIL import Image, ImageColor, PngImagePlugin

from filterkit.errors import UsageError
from filterkit.renderers.canvas import GRAY, colormap_for, colour_table, paint
from filterkit.renderers.caption import with_caption
from filterkit.renderers.metadata import metadata

if TYPE_CHECKING:
    from filterkit.records import TileSheet

TARGET = 1024
"""Target for the longer side in pixels with automatic scale."""

LARGEST_SCALE = 32
"""The largest automatic scale: a single 3 × 3 kernel becomes 96 pixels wide."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Draw all tiles, however many, into one PNG.

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
    caption: bool = False

    media_type: ClassVar[str] = "image/png"
    suffix: ClassVar[str] = ".png"

    def __post_init__(self) -> None:
        if self.scale < 0 or self.gap < 0:
            raise UsageError(f"invalid scale={self.scale} or gap={self.gap}", hint="neither may be negative")
        colour_table(self.colormap)
        _colour(self.background)

    def render(self, sheet: TileSheet) -> bytes:
        """The sheet as PNG: grayscale if everything in it is gray, else RGB."""
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
        across = (TARGET - self.gap) // sheet.columns - self.gap
        return max(1, min(down // height, across // width, LARGEST_SCALE))


def _colour(name: str) -> tuple[int, int, int]:
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UsageError(f"unknown colour '{name}'", hint="use a name such as white, or #rrggbb") from None
