"""Caption: title, order, note and scale of a sheet, above a picture without room for labels."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from filterkit.errors import one_line
from filterkit.renderers.canvas import caption_of_scale, colour_table, scale_ends
from filterkit.renderers.figures import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from filterkit.records import TileSheet

TITLE, TEXT = 16, 12
"""Font sizes in pixels."""

MARGIN, LEADING = 8, 1.4
NARROWEST = 480
"""Minimum width of a picture with a caption."""

WIDEST = 2000
"""Maximum width of the lines."""

MOST_LINES = 3
BAR_WIDTH, BAR_HEIGHT = 160, 10
LONGEST_LABEL = 40


def with_caption(
    canvas: NDArray[np.uint8], sheet: TileSheet, colormap: str, background: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The canvas with a caption above it, on the same background; still gray if it is."""
    width = max(canvas.shape[1], NARROWEST)
    ends = scale_ends(sheet, colormap)
    texts = (sheet.title, TITLE), (order(sheet), TEXT), (caption_of_scale(sheet, ends, colormap), TEXT)
    lines = [(line, size) for text, size in texts for line in _wrapped(text, size, width - 2 * MARGIN)]
    height = sum(int(size * LEADING) for _, size in lines) + bool(ends) * int(TEXT * LEADING) + 2 * MARGIN

    strip = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(strip)
    ink = (20, 20, 20) if sum(background) > 3 * 127 else (235, 235, 235)
    y = MARGIN
    for line, size in lines:
        draw.text((MARGIN, y), line, ink, _font(size))
        y += int(size * LEADING)
    if ends:
        left = MARGIN + int(_font(TEXT).getlength(ends[0])) + MARGIN
        draw.text((MARGIN, y), ends[0], ink, _font(TEXT))
        draw.text((left + BAR_WIDTH + MARGIN, y), ends[1], ink, _font(TEXT))
        colours = colour_table(colormap)[np.linspace(0, 255, BAR_WIDTH).round().astype(int)]
        strip.paste(Image.fromarray(np.tile(colours, (BAR_HEIGHT, 1, 1))), (left, y + 3))

    gray = canvas.ndim == 2
    shape = (height + canvas.shape[0], width)
    whole = np.full(shape if gray else (*shape, 3), background[0] if gray else background, np.uint8)
    whole[:height] = np.asarray(strip)[..., 0] if gray else np.asarray(strip)
    whole[height:, : canvas.shape[1]] = canvas
    return whole


def order(sheet: TileSheet) -> str:
    """The order of the tiles in words; empty if they have no labels."""
    if sheet.row_labels and sheet.column_labels:
        rows, columns = _first_to_last(sheet.row_labels), _first_to_last(sheet.column_labels)
        places = f"rows: {rows}, from top to bottom; columns: {columns}, from left to right"
        return "; ".join(filter(None, (sheet.provenance.get("order"), places)))
    labels = sheet.tile_labels or sheet.row_labels
    return f"tiles: {_first_to_last(labels)}, from left to right, then from top to bottom" if labels else ""


def _first_to_last(labels: Sequence[str]) -> str:
    ends = [shorten(one_line(label), LONGEST_LABEL) for label in (labels[0], labels[-1])]
    return " to ".join(dict.fromkeys(ends))


def _wrapped(text: str, size: int, space: int) -> list[str]:
    """`text` in at most `MOST_LINES` lines of about `space` pixels."""
    text = one_line(text)
    if not text:
        return []
    letters = int(len(text) * min(space, WIDEST) / max(_font(size).getlength(text), 1))
    return textwrap.wrap(text, max(letters, 16), max_lines=MOST_LINES, placeholder=" …")


@lru_cache(maxsize=2)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of figures, which comes with Matplotlib; importing that would take longer than drawing."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    return ImageFont.truetype(folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
