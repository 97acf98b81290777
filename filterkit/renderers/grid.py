"""Grid: a labelled figure as PNG, JPEG, WebP, SVG or PDF, and the layout of its parts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from filterkit.errors import UsageError, closest, one_line
from filterkit.renderers.canvas import (
    GRAY,
    canvas_shape,
    caption_of_scale,
    colormap_for,
    colour_table,
    column_start,
    paint,
    scale_ends,
)
from filterkit.renderers.compressed import LOSSY, check_quality, compressed
from filterkit.renderers.figures import (
    DPI,
    FAINT,
    FONT,
    INK,
    MEDIA_TYPES,
    drawn_pixels,
    settings,
    shorten,
    written,
)
from filterkit.renderers.metadata import metadata

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
        ``png``, ``svg``, ``pdf``, ``jpg``, ``jpeg`` or ``webp``.
    colormap
        Name of a matplotlib colormap; in the default, ``gray``, large values are light.
    scale
        Pixels per value and side; 0 selects it automatically.
    quality
        Of JPEG and WebP, 1 to 100; the default is 90.

    Raises
    ------
    UsageError
        If an option is unknown or out of range; when rendering, if there are more than 1,024 tiles.
    """

    format: Literal["png", "svg", "pdf", "jpg", "jpeg", "webp"] = "png"
    colormap: str = GRAY
    scale: int = 0
    quality: int | None = None

    def __post_init__(self) -> None:
        formats = MEDIA_TYPES | LOSSY
        if self.format not in formats:
            raise UsageError(f"grid cannot write '{self.format}'", hint=closest(self.format, formats))
        check_quality(self.format, self.quality)
        if self.scale < 0:
            raise UsageError(f"invalid scale={self.scale}", hint="scale must not be negative")
        colour_table(self.colormap)

    @property
    def media_type(self) -> str:
        return (MEDIA_TYPES | LOSSY)[self.format]

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

            colormap = colormap_for(sheet, self.colormap)
            layout = lay_out(sheet, self.scale, colormap)
            figure = Figure(figsize=(layout.width / DPI, layout.height / DPI), dpi=DPI)
            # One image for all tiles: a thousand Axes would take half a minute.
            tiles = paint(
                sheet,
                scale=layout.scale,
                gap=layout.gap,
                colormap=colormap,
                background=(255, 255, 255),
                frame=FRAME,
            )
            _picture(figure, layout, layout.left, layout.top, tiles)
            if layout.bar:
                left, top, height = layout.bar
                bar = np.full((height + 2, BAR_WIDTH + 2, 3), FRAME, dtype=np.uint8)
                bar[1:-1, 1:-1] = colour_table(colormap)[
                    np.linspace(255, 0, height).round().astype(int), None
                ]
                _picture(figure, layout, left - 1, top - 1, bar)
            _write_all(figure, layout)
            if self.format in LOSSY:
                return compressed(drawn_pixels(figure), self.format, self.quality)
            return written(figure, self.format, metadata(sheet.title, sheet.note, sheet.provenance))


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


TITLE_SIZE, LABEL_SIZE = 9.5, 7.0
"""Font sizes in points."""

MARGIN = 24
LABEL_LINE, TITLE_LINE = 22, 26
"""Line heights of labels and of the title."""

TARGET = 1500
"""Target for the longer side of all tiles together."""

SMALLEST_TILE, LARGEST_TILE = 96, 240
"""Range of a tile's side where there is room: fewer tiles are drawn larger."""

STRIP = 16
"""Height of a tile that is one value high, which would otherwise be a hairline."""

LABELLED = 48
"""Minimum width of tiles with individual labels, at least half of which must fit."""

BAR_WIDTH, BAR_GAP, SHORTEST_BAR, LONGEST_BAR = 12, 20, 96, 480
LABEL_SPACE = 8
"""Minimum distance of adjacent labels in pixels."""

NARROWEST_TEXT = 600
"""Title and note may extend beyond narrow tiles up to this width."""

LONGEST_SIDE = 10_000
LONGEST_LABEL, LONGEST_ROW_LABEL = 28, 56
"""Maximum number of characters of a tile or column label, and of a row label."""

Label = tuple[float, float, str]
"""x, y and text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes and positions, in pixels from the top left.

    Attributes
    ----------
    width, height
        Size of the figure.
    left, top
        Position of the canvas with all tiles.
    scale, gap
        See `canvas.paint`.
    title, note
        Lines of text and where they begin.
    row_labels, column_labels, tile_labels
        Right end and middle of each row label; left end and bottom of the others.
    bar
        Left, top and height of the colour bar, or None.
    ticks
        Numbers to the right of the colour bar.
    """

    width: int
    height: int
    left: int
    top: int
    scale: tuple[int, int]
    gap: tuple[int, int]
    title: Label
    note: Label
    row_labels: tuple[Label, ...]
    column_labels: tuple[Label, ...]
    tile_labels: tuple[Label, ...]
    bar: tuple[int, int, int] | None
    ticks: tuple[Label, ...]


def lay_out(sheet: TileSheet, scale: int = 0, colormap: str = GRAY) -> Layout:
    """Lay out `sheet`; `scale` is in pixels per value, 0 selects it automatically.

    Raises
    ------
    UsageError
        If the figure would be too large.
    """
    scales = (scale, scale) if scale else suitable_scale(sheet)
    tile_height, tile_width = (side * by for side, by in zip(sheet.tile_shape, scales, strict=True))
    rows = _names(sheet.row_labels, LONGEST_ROW_LABEL)
    columns, own = _names(sheet.column_labels), _names(sheet.tile_labels)
    legible = max(LABELLED, max(map(text_width, own), default=0) / 2)
    if own and (sheet.columns == 1 or tile_width < legible):
        rows, own = own[:: sheet.columns], ()  # too narrow: label each row with its first tile
    space = max(2, min(10, round(0.06 * math.sqrt(tile_height * tile_width))))
    gap = (LABEL_LINE if own else space, space)
    down, across = tile_height + gap[0], tile_width + gap[1]
    canvas_height, canvas_width = canvas_shape(sheet, scales, gap)
    starts = [column_start(sheet, column, tile_width, gap[1]) for column in range(sheet.columns)]

    left = MARGIN + math.ceil(max(map(text_width, rows), default=0))
    text_left, text_space = left + gap[1], max(canvas_width, NARROWEST_TEXT)
    ends = scale_ends(sheet, colormap)
    note = _wrap(caption_of_scale(sheet, ends, colormap), LABEL_SIZE, text_space)
    title = _wrap(sheet.title, TITLE_SIZE, text_space)
    top = MARGIN + (len(title) * TITLE_LINE + 6 if title else 0) + (LABEL_LINE if columns else 0)
    first, content = top + gap[0], max(canvas_height - 2 * gap[0], SHORTEST_BAR)
    note_top = first + content + 12
    bar = (left + canvas_width + BAR_GAP, first, min(content, LONGEST_BAR)) if ends else None
    ticks = _ticks(sheet, bar, ends) if bar and ends else ()
    every_row = _every(down, LABEL_LINE)
    row_labels = tuple(
        (left - 2, first + row * down + tile_height / 2, rows[row]) for row in range(0, len(rows), every_row)
    )
    every_column = _every(across, max(map(text_width, columns), default=0) + LABEL_SPACE)
    column_labels = tuple(
        (text_left + starts[column] + max(tile_width - text_width(words), 0) / 2, first - 6, words)
        for column, words in list(enumerate(columns))[::every_column]
    )
    tile_labels = tuple(
        (
            text_left + starts[index % sheet.columns],
            first + index // sheet.columns * down - 6,
            _cut(words, across - LABEL_SPACE),
        )
        for index, words in enumerate(own)
    )
    right = [
        left + canvas_width,
        *(math.ceil(text_left + text_width(line, TITLE_SIZE)) for line in title),
        *(math.ceil(text_left + text_width(line)) for line in note),
        *(math.ceil(x + text_width(words)) for x, _, words in (*column_labels, *ticks)),
    ]
    width = MARGIN + max(right)
    height = note_top + len(note) * LABEL_LINE + MARGIN - 12
    if max(width, height) > LONGEST_SIDE:
        raise UsageError(
            f"a figure of {width:,} × {height:,} pixels is too large",
            hint="the mosaic renderer can draw it: --renderer mosaic",
        )
    return Layout(
        width=width,
        height=height,
        left=left,
        top=top,
        scale=scales,
        gap=gap,
        title=(text_left, MARGIN, "\n".join(title)),
        note=(text_left, note_top, "\n".join(note)),
        row_labels=row_labels,
        column_labels=column_labels,
        tile_labels=tile_labels,
        bar=bar,
        ticks=ticks,
    )


def suitable_scale(sheet: TileSheet) -> tuple[int, int]:
    """Pixels per value, down and across, so that all of `sheet` is visible at once; integers, so that all
    values have the same size."""
    height, width = sheet.tile_shape
    label = max(map(text_width, _names(sheet.tile_labels)), default=0) + LABEL_SPACE
    few = 5 * SMALLEST_TILE / max(sheet.rows, sheet.columns)
    side = min(max(few, label, SMALLEST_TILE), LARGEST_TILE)
    room = min(TARGET // sheet.rows // height, TARGET // sheet.columns // width)
    legible = math.ceil(min(label, LARGEST_TILE) / width)
    scale = max(1, min(max(int(side / math.sqrt(height * width)), legible), room))
    return (max(scale, STRIP) if height == 1 and width > 1 else scale), scale


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = LABEL_SIZE) -> float:
    """Width of `text` in pixels, as matplotlib draws it."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(family=FONT, size=size)
    return float(_measure().get_text_width_height_descent(text, font, ismath=False)[0])


@lru_cache(maxsize=1)
def _measure() -> Any:
    from matplotlib.backends import backend_agg

    untyped: Any = backend_agg
    return untyped.RendererAgg(1, 1, DPI)


def _names(labels: Sequence[str], longest: int = LONGEST_LABEL) -> tuple[str, ...]:
    return tuple(shorten(one_line(label), longest) for label in labels)


def _every(pitch: float, needed: float) -> int:
    """The step (1, 2, 4, …) at which labels `pitch` pixels apart can be shown if each needs `needed`."""
    every = 1
    while every * pitch < needed:
        every *= 2
    return every


def _cut(text: str, space: float) -> str:
    length = len(text)
    while length > 2 and text_width(shorten(text, length)) > space:
        length -= 1
    return shorten(text, length)


def _wrap(text: str, size: float, space: float) -> list[str]:
    """Wrap text to at most three lines of about `space` pixels."""
    text = one_line(text)
    if not text:
        return []
    letters = max(16, int(len(text) * space / max(text_width(text, size), 1)))
    return textwrap.wrap(text, letters, max_lines=3, placeholder=" …")


def _ticks(sheet: TileSheet, bar: tuple[int, int, int], ends: tuple[str, str]) -> tuple[Label, ...]:
    """The ends, and zero if it is between them and its label does not overlap theirs."""
    left, top, height = bar
    x = left + BAR_WIDTH + 8
    ticks = [(x, float(top), ends[1]), (x, float(top + height), ends[0])]
    if sheet.centre is not None:
        y = top + height * (1 - sheet.centre)
        if min(y - top, top + height - y) > LABEL_LINE:
            ticks.append((x, y, "0"))
    return tuple(ticks)
