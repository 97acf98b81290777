"""Mosaic: every tile as pixels, straight to PNG, for any number of kernels."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PIL import Image, ImageColor, PngImagePlugin

from filterkit.errors import UsageError, one_line
from filterkit.renderers.canvas import paint
from filterkit.renderers.colormap import GRAY, colour_table

if TYPE_CHECKING:
    from filterkit.records import TileSheet

COMFORTABLE = 1024
"""Pixels of the longer side that an automatic scale aims at."""

LARGEST_SCALE = 32
"""The largest automatic scale: a single 3 × 3 kernel becomes 96 pixels wide."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Draw every tile, pixel by pixel, into one PNG; none is left out, however many there are.

    Parameters
    ----------
    scale
        Pixels per value and side. 0 chooses the largest scale (at most 32) with which the longer side
        stays within 1,024 pixels, and 1 where none does.
    gap
        Pixels between tiles and around all of them.
    colormap
        Name of a matplotlib colormap; light is large in the default, ``gray``.
    background
        Colour of gaps and empty places: a name or ``#rrggbb``.

    Raises
    ------
    UsageError
        If an option is out of its range or unknown; when rendering, if the picture would be too large.
    """

    scale: int = 0
    gap: int = 1
    colormap: str = GRAY
    background: str = "black"

    media_type: ClassVar[str] = "image/png"
    suffix: ClassVar[str] = ".png"

    def __post_init__(self) -> None:
        if self.scale < 0 or self.gap < 0:
            raise UsageError(
                f"scale={self.scale} and gap={self.gap} do not fit", hint="neither may be negative"
            )
        colour_table(self.colormap)
        _colour(self.background)

    def render(self, sheet: TileSheet) -> bytes:
        """The sheet as PNG: gray where everything in it is gray, else RGB."""
        scale = self.scale or self._comfortable_scale(sheet)
        canvas = paint(
            sheet,
            scale=(scale, scale),
            gap=(self.gap, self.gap),
            colormap=self.colormap,
            background=_colour(self.background),
        )
        words = PngImagePlugin.PngInfo()
        for key, text in (("Title", sheet.title), ("Description", sheet.note)):
            if text:
                words.add_itxt(key, one_line(text))
        out = io.BytesIO()
        # Kernels are noise to a compressor: runs of one byte are all that is worth looking for.
        Image.fromarray(canvas).save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=words)
        return out.getvalue()

    def _comfortable_scale(self, sheet: TileSheet) -> int:
        height, width = sheet.tile_shape
        down = (COMFORTABLE - self.gap) // sheet.rows - self.gap
        across = (COMFORTABLE - self.gap) // sheet.columns - self.gap
        return max(1, min(down // height, across // width, LARGEST_SCALE))


def _colour(name: str) -> tuple[int, int, int]:
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UsageError(f"no colour '{name}'", hint="use a name such as white, or #rrggbb") from None
