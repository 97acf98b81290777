"""Grid: a labelled figure as PNG, SVG or PDF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from filterkit.errors import UsageError, closest
from filterkit.renderers.canvas import paint
from filterkit.renderers.colormap import GRAY, colour_table
from filterkit.renderers.grid_layout import (
    BAR_WIDTH,
    LABEL_SIZE,
    TITLE_SIZE,
    Label,
    Layout,
    lay_out,
)
from filterkit.renderers.paper import DPI, FAINT, INK, MEDIA_TYPES, settings, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from filterkit.records import TileSheet

MAX_TILES = 1024
"""Maximum number of tiles, as labels would not be legible with more; the mosaic has no limit."""

FRAME = 208
"""Gray level of the line around every tile, which separates white edges from the background."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Draw a sheet as a figure with title, row and column labels, and a colour bar.

    Parameters
    ----------
    format
        ``png``, ``svg`` or ``pdf``.
    colormap
        Name of a matplotlib colormap; in the default, ``gray``, large values are light.
    scale
        Pixels per value and side; 0 selects it automatically.

    Raises
    ------
    UsageError
        If an option is unknown or out of range; when rendering, if there are more than 1,024 tiles.
    """

    format: Literal["png", "svg", "pdf"] = "png"
    colormap: str = GRAY
    scale: int = 0

    def __post_init__(self) -> None:
        if self.format not in MEDIA_TYPES:
            raise UsageError(f"grid cannot write '{self.format}'", hint=closest(self.format, MEDIA_TYPES))
        if self.scale < 0:
            raise UsageError(f"invalid scale={self.scale}", hint="scale must not be negative")
        colour_table(self.colormap)

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def suffix(self) -> str:
        return f".{self.format}"

    def render(self, sheet: TileSheet) -> bytes:
        """The figure as bytes; the same sheet always gives the same bytes."""
        if sheet.count > MAX_TILES:
            raise UsageError(
                f"{sheet.count:,} tiles are too many for a labelled figure (at most {MAX_TILES:,})",
                hint="the mosaic renderer has no limit: --renderer mosaic",
            )
        with settings():  # before any other import of matplotlib
            from matplotlib.figure import Figure

            layout = lay_out(sheet, self.scale)
            figure = Figure(figsize=(layout.width / DPI, layout.height / DPI), dpi=DPI)
            # One image for all tiles: a thousand Axes would take half a minute.
            tiles = paint(
                sheet,
                scale=layout.scale,
                gap=layout.gap,
                colormap=self.colormap,
                background=(255, 255, 255),
                frame=FRAME,
            )
            _picture(figure, layout, layout.left, layout.top, tiles)
            if layout.bar:
                left, top, height = layout.bar
                bar = np.full((height + 2, BAR_WIDTH + 2, 3), FRAME, dtype=np.uint8)
                bar[1:-1, 1:-1] = colour_table(self.colormap)[
                    np.linspace(255, 0, height).round().astype(int), None
                ]
                _picture(figure, layout, left - 1, top - 1, bar)
            _write_all(figure, layout)
            return written(figure, self.format, sheet.title)


def _picture(figure: Figure, layout: Layout, left: int, top: int, pixels: NDArray[np.uint8]) -> None:
    """Draw `pixels` at (left, top), one to one."""
    height, width = pixels.shape[:2]
    bottom = layout.height - top - height
    axes = figure.add_axes(
        (left / layout.width, bottom / layout.height, width / layout.width, height / layout.height)
    )
    axes.set_axis_off()
    # As RGB, because a colormap of matplotlib may be off by one of 256 levels.
    colours = pixels if pixels.ndim == 3 else np.stack((pixels,) * 3, axis=-1)
    axes.imshow(colours, interpolation="none", aspect="auto")


def _write_all(figure: Figure, layout: Layout) -> None:
    def write(labels: tuple[Label, ...], **style: Any) -> None:
        for x, y, words in labels:
            # Do not parse "$" in labels as the start of a formula.
            figure.text(x / layout.width, 1 - y / layout.height, words, parse_math=False, **style)

    write((layout.title,), size=TITLE_SIZE, color=INK, ha="left", va="top")
    write((layout.note,), size=LABEL_SIZE, color=FAINT, ha="left", va="top")
    write(layout.row_labels, size=LABEL_SIZE, color=INK, ha="right", va="center_baseline")
    write(layout.column_labels, size=LABEL_SIZE, color=INK, ha="left", va="baseline")
    write(layout.tile_labels, size=LABEL_SIZE, color=FAINT, ha="left", va="baseline")
    write(layout.ticks, size=LABEL_SIZE, color=FAINT, ha="left", va="center_baseline")
