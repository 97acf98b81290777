"""The renderer ``interactive``: a sheet as one self-contained HTML page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files

import filterkit

from filterkit_plotly.colours import colour_table
from filterkit_plotly.data import page_data

LARGEST_SIDE = 16_384
"""Largest side, in pixels, of a canvas that browsers can draw."""


@dataclass(frozen=True)
class Interactive:
    """Draws every tile on a page: hovering shows values, the wheel zooms, a menu sorts and groups.

    Parameters
    ----------
    colormap
        Name of one of plotly's colour scales; in the default, ``gray``, light is large.
    gap
        Pixels between tiles, where a value is one pixel.

    Raises
    ------
    ValueError
        If an option is out of its range or unknown.
    """

    colormap: str = "gray"
    gap: int = 1

    media_type = "text/html"  # no annotation: not an option
    suffix = ".html"

    def __post_init__(self) -> None:
        if not 0 <= self.gap <= 16:
            raise ValueError(f"gap={self.gap} is out of range; it must be 0 to 16 pixels")
        colour_table(self.colormap)

    def render(self, sheet: filterkit.TileSheet) -> bytes:
        """The page, in UTF-8.

        Raises
        ------
        filterkit.UsageError
            If the sheet has more pixels on a side than browsers draw.
        """
        height, width = sheet.tile_shape
        longest = max(sheet.rows * (height + self.gap), sheet.columns * (width + self.gap)) + self.gap
        if longest > LARGEST_SIDE:
            raise filterkit.UsageError(
                f"the sheet is {longest:,} pixels long; the limit is {LARGEST_SIDE:,}",
                hint="choose fewer filters, e.g. 0:64, or --renderer mosaic",
            )
        drawn = {"gap": self.gap, "longest": LARGEST_SIDE, "colours": colour_table(self.colormap)}
        data = {**page_data(sheet), **drawn}
        return _fill(data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")).encode()


def _fill(data: str) -> str:
    """The template with its placeholders filled in."""
    from plotly.offline import get_plotlyjs

    here = files("filterkit_plotly")
    names = {"style": "page.css", "tiles": "tiles.js", "page": "page.js"}
    parts = {part: (here / name).read_text("utf-8") for part, name in names.items()}
    parts |= {"plotly": get_plotlyjs(), "data": data}
    template = (here / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda marker: parts[marker[1]], template)
