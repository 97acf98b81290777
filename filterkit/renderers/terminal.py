"""Terminal: a sheet as text, as large as fits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np

from filterkit.errors import UsageError, closest, one_line
from filterkit.renderers.canvas import to_bytes
from filterkit.renderers.colormap import GRAY, colour_table
from filterkit.renderers.terminal_cells import Cells, Color, cells_for
from filterkit.renderers.terminal_layout import Fit, fit, resized
from filterkit.renderers.text import shorten

if TYPE_CHECKING:
    from filterkit.records import TileSheet

LONGEST_LABEL = 12


@dataclass(frozen=True, slots=True)
class Terminal:
    """Draw a sheet as text, and report what does not fit.

    Parameters
    ----------
    width
        Maximum number of characters per line, at least 20.
    height
        Maximum number of lines of tiles, at least 4.
    color
        ``truecolor`` and ``ansi256`` draw with half blocks, ``none`` with plain characters; ``auto`` depends
        on standard output, ``NO_COLOR``, ``COLORTERM`` and ``TERM``.
    colormap
        Name of a matplotlib colormap; in the default, ``gray``, large values are light.

    Raises
    ------
    UsageError
        If an option is unknown or out of range.
    """

    width: int = 80
    height: int = 160
    color: Color = "auto"
    colormap: str = GRAY

    media_type: ClassVar[str] = "text/plain"
    suffix: ClassVar[str] = ".txt"

    def __post_init__(self) -> None:
        if self.width < 20 or self.height < 4:
            raise UsageError(
                f"{self.width} × {self.height} characters are too few", hint="use at least 20 × 4"
            )
        if self.color not in get_args(Color):
            raise UsageError(f"color cannot be '{self.color}'", hint=closest(self.color, get_args(Color)))
        colour_table(self.colormap)

    def render(self, sheet: TileSheet) -> bytes:
        """The sheet as UTF-8 text with lines of at most `width` characters."""
        cells = cells_for(self.color)
        labels = [shorten(one_line(label), LONGEST_LABEL) for label in sheet.row_labels or sheet.tile_labels]
        margin = max((len(label) + 1 for label in labels), default=0)
        drawn = fit(
            sheet,
            across=(self.width - margin) // cells.across,
            lines=self.height,
            pixels_per_line=cells.down,
        )
        labels = labels[:: 1 if sheet.row_labels else drawn.columns]
        lines = [
            *self._wrap(sheet.title),
            *_header(sheet, drawn, margin, cells.across),
            *_beside(labels, margin, self._tiles(sheet, drawn, cells), drawn.lines_per_row),
            *self._wrap(sheet.note),
            *self._wrap(_not_shown(sheet, drawn)),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _wrap(self, text: str) -> list[str]:
        return textwrap.wrap(one_line(text), self.width)

    def _tiles(self, sheet: TileSheet, drawn: Fit, cells: Cells) -> list[str]:
        """All tiles as lines of text, `drawn.lines_per_row` for each row of them."""
        pixels = to_bytes(resized(sheet, drawn))
        pixels = pixels if sheet.is_colour else colour_table(self.colormap)[pixels]
        shape = (drawn.rows, drawn.lines_per_row * cells.down, drawn.columns, drawn.width + 1)
        canvas = np.zeros((*shape, 3), dtype=np.uint8)
        canvas[:, : drawn.height, :, : drawn.width] = pixels.swapaxes(1, 2)
        there = np.zeros(shape, dtype=bool)
        filled = np.arange(drawn.rows * drawn.columns).reshape(drawn.rows, drawn.columns) < drawn.count
        there[:, : drawn.height, :, : drawn.width] = filled[:, None, :, None]
        size = (shape[0] * shape[1], shape[2] * shape[3])
        return cells.lines(canvas.reshape(*size, 3), there.reshape(size))


def _header(sheet: TileSheet, drawn: Fit, margin: int, across: int) -> Iterator[str]:
    """The column labels, or every second, fourth, … if there is no room for all."""
    labels = [one_line(label) for label in sheet.column_labels[: drawn.columns]]
    if not labels:
        return
    pitch, every = (drawn.width + 1) * across, 1
    while every < len(labels) and max(map(len, labels)) >= every * pitch:
        every *= 2
    align = "^" if every == 1 else "<"
    line = " " * margin
    for column in range(0, len(labels), every):
        room = min(every, len(labels) - column) * pitch - across
        line += f"{shorten(labels[column], room):{align}{room}}{' ' * across}"
    yield line.rstrip()


def _beside(labels: list[str], margin: int, lines: list[str], lines_per_row: int) -> Iterator[str]:
    """Put each label to the left of the middle line of its row."""
    for number, line in enumerate(lines):
        row, within = divmod(number, lines_per_row)
        label = labels[row] if labels and within == (lines_per_row - 1) // 2 else ""
        yield f"{label:>{margin - 1}} {line}".rstrip() if margin else line


def _not_shown(sheet: TileSheet, drawn: Fit) -> str:
    """A note about tiles that are not shown; empty if all are."""
    if drawn.count == sheet.count:
        return ""
    which = ""
    if sheet.row_labels or sheet.column_labels:
        which = f" ({drawn.rows:,} of {sheet.rows:,} rows, {drawn.columns:,} of {sheet.columns:,} columns)"
    return (
        f"Showing {drawn.count:,} of {sheet.count:,} tiles{which}. To see all, write a picture: -o FILE.png"
    )
