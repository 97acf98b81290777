"""Terminal: a sheet as text, coloured half blocks or plain characters, as large as fits."""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from filterkit.errors import UsageError, closest, one_line
from filterkit.renderers.canvas import GRAY, colormap_for, colour_table, to_bytes
from filterkit.renderers.figures import shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, TileSheet

LONGEST_LABEL = 12

LINES = 160


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
    height: int = LINES
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
            *self._wrap(sheet.note if cells.color != "none" else _without_colours(sheet.note)),
            *self._wrap(_not_shown(sheet, drawn)),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _wrap(self, text: str) -> list[str]:
        return textwrap.wrap(one_line(text), self.width)

    def _tiles(self, sheet: TileSheet, drawn: Fit, cells: Cells) -> list[str]:
        """All tiles as lines of text, `drawn.lines_per_row` for each row of them."""
        pixels = to_bytes(resized(sheet, drawn))
        pixels = pixels if sheet.is_colour else colour_table(colormap_for(sheet, self.colormap))[pixels]
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


def _without_colours(note: str) -> str:
    """A note without the parts that say what red and blue mean, for plain characters, which have neither."""
    return "; ".join(part for part in note.split("; ") if not OF_COLOURS.match(part))


OF_COLOURS = re.compile(r"(red|blue)\b")


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


Color = Literal["auto", "truecolor", "ansi256", "none"]
"""Colours that the terminal supports; `auto` detects them."""

RAMP = " .:-=+*#%@"
"""From dark to light, for a dark terminal."""

RESET = "\x1b[0m"

CUBE = (0, 95, 135, 175, 215, 255)
"""Levels of the colour cube of 256-colour terminals."""

Pixel = tuple[int, int, int]
"""Red, green and blue."""


@dataclass(frozen=True, slots=True)
class Cells:
    """How pixels map to characters.

    Attributes
    ----------
    across
        Characters per pixel.
    down
        Pixels per line.
    """

    color: Color
    across: int
    down: int

    def lines(self, pixels: NDArray[np.uint8], drawn: NDArray[np.bool_]) -> list[str]:
        """Lines of text for `pixels`, shape (height, width, 3), blank unless `drawn`, (height, width)."""
        if self.color == "none":
            return [_plain_line(*row) for row in zip(pixels, drawn, strict=True)]
        grid: list[list[Pixel | None]] = [
            [tuple(pixel) if there else None for pixel, there in zip(*row, strict=True)]
            for row in zip(pixels.tolist(), drawn.tolist(), strict=True)
        ]
        grid += [[None] * pixels.shape[1]] * (len(grid) % 2)
        return [
            _colour_line(top, bottom, truecolor=self.color == "truecolor")
            for top, bottom in zip(grid[::2], grid[1::2], strict=True)
        ]


def cells_for(color: Color) -> Cells:
    """The characters to draw with."""
    chosen = _detected() if color == "auto" else color
    return Cells(chosen, across=2, down=1) if chosen == "none" else Cells(chosen, across=1, down=2)


def _detected() -> Color:
    """Colours of standard output: none for a file or pipe, or if ``NO_COLOR`` is set."""
    terminal = os.environ.get("TERM", "")
    if os.environ.get("NO_COLOR") or terminal == "dumb" or not sys.stdout.isatty():
        return "none"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit") or os.environ.get("WT_SESSION"):
        return "truecolor"
    return "ansi256"


def _plain_line(pixels: NDArray[np.uint8], drawn: NDArray[np.bool_]) -> str:
    """Two characters per pixel, by brightness (ITU-R BT.601)."""
    bright = pixels @ np.array([0.299, 0.587, 0.114]) / 256
    steps = (bright * len(RAMP)).astype(int)
    return "".join(
        RAMP[step] * 2 if there else "  " for step, there in zip(steps, drawn, strict=True)
    ).rstrip()


def _colour_line(tops: list[Pixel | None], bottoms: list[Pixel | None], *, truecolor: bool) -> str:
    """Half blocks: the upper pixel as foreground colour, the lower as background colour."""
    code = _truecolor if truecolor else _ansi256
    out, now = [], RESET
    for top, bottom in zip(tops, bottoms, strict=True):
        if top and bottom:
            sign, style = "▀", f"\x1b[38;{code(top)};48;{code(bottom)}m"
        elif top:
            sign, style = "▀", f"{RESET}\x1b[38;{code(top)}m"
        elif bottom:
            sign, style = "▄", f"{RESET}\x1b[38;{code(bottom)}m"
        else:
            sign, style = " ", RESET
        out.append(sign if style == now else style + sign)
        now = style
    return "".join(out).rstrip() + ("" if now == RESET else RESET)


def _truecolor(pixel: Pixel) -> str:
    return "2;" + ";".join(map(str, pixel))


def _ansi256(pixel: Pixel) -> str:
    """The nearest of xterm's 256 colours: a cube of 6 × 6 × 6 from number 16, 24 grays from number 232."""
    steps = [min(range(6), key=lambda step: abs(CUBE[step] - level)) for level in pixel]
    gray = min(max(round((sum(pixel) / 3 - 8) / 10), 0), 23)

    def distance(colour: Sequence[int]) -> int:
        return sum((one - other) ** 2 for one, other in zip(colour, pixel, strict=True))

    if distance([8 + 10 * gray] * 3) < distance([CUBE[step] for step in steps]):
        return f"5;{232 + gray}"
    return f"5;{16 + 36 * steps[0] + 6 * steps[1] + steps[2]}"


LARGEST_TILE, SMALLEST_TILE = 24, 12
"""Tiles are enlarged or shrunk to sides in this range of pixels; they are shrunk further only if not even one
would fit."""

FINEST = 4096
"""Maximum number of values per side; larger tiles are subsampled, as a pixel covers several values anyway."""

SCREEN = 40
"""Tiles are as large as possible with all of them within this many lines."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The drawn part of a sheet: `rows` × `columns` tiles, `count` in all, of `height` × `width` pixels."""

    rows: int
    columns: int
    count: int
    height: int
    width: int
    lines_per_row: int


def fit(sheet: TileSheet, *, across: int, lines: int, pixels_per_line: int) -> Fit:
    """Find the largest tile size with which all of `sheet` fits, or else how many tiles fit.

    A table keeps its rows and columns; tiles with individual labels are wrapped.

    Parameters
    ----------
    across
        Pixels that fit side by side.
    lines
        Lines for all tiles.
    pixels_per_line
        Pixels per line, one above the other.
    """
    flows = _flows(sheet)
    for height, width in _sizes(sheet.tile_shape, most=min(across, lines * pixels_per_line - 1)):
        columns = max(min(sheet.columns, (across + 1) // (width + 1)), 1)
        rows = math.ceil(sheet.count / columns) if flows else sheet.rows
        lines_per_row = math.ceil((height + 1) / pixels_per_line)
        if (flows or columns == sheet.columns) and rows * lines_per_row <= min(lines, SCREEN):
            break
    rows = min(rows, max(lines // lines_per_row, 1))
    return Fit(rows, columns, min(rows * columns, sheet.count), height, width, lines_per_row)


def most_tiles(shape: tuple[int, int], width: int) -> int:
    """A limit on the tiles of a shape that `Terminal` draws by default, however many there are."""
    cells = cells_for("auto")
    across = width // cells.across
    sizes = _sizes(shape, most=min(across, LINES * cells.down - 1))
    return max(
        ((across + 1) // (wide + 1)) * max(LINES // math.ceil((high + 1) / cells.down), 1)
        for high, wide in sizes
    )


def _flows(sheet: TileSheet) -> bool:
    """Whether tiles are wrapped: rows that have labels stay."""
    return bool(sheet.tile_labels) and not sheet.row_labels


def resized(sheet: TileSheet, drawn: Fit) -> FloatArray:
    """The tiles of `sheet` that are drawn, shape (rows, columns, height, width) or (…, 3).

    Each value becomes a block of pixels, or each pixel the mean of the values that it covers.
    """
    tiles = sheet.tiles
    if _flows(sheet):
        places = drawn.rows * drawn.columns
        flat = tiles.reshape(-1, *tiles.shape[2:])
        tiles = np.zeros((places, *flat.shape[1:]), dtype=flat.dtype)
        tiles[: drawn.count] = flat[: drawn.count]
        tiles = tiles.reshape(drawn.rows, drawn.columns, *flat.shape[1:])
    height, width = sheet.tile_shape
    tiles = tiles[: drawn.rows, : drawn.columns, :: -(-height // FINEST), :: -(-width // FINEST)]
    height, width = tiles.shape[2:4]
    down, across = _shares(height, drawn.height), _shares(width, drawn.width)
    if not sheet.is_colour:
        return np.asarray(down @ tiles @ across.T)
    return np.moveaxis(down @ np.moveaxis(tiles, -1, 2) @ across.T, 2, -1)


def _sizes(shape: tuple[int, int], *, most: int) -> Iterator[tuple[int, int]]:
    """Heights and widths to try, from large to small; the last fits into `most` pixels."""
    side = max(shape)
    for factor in range(min(LARGEST_TILE, most) // side, 0, -1):
        yield shape[0] * factor, shape[1] * factor
    for smaller in range(min(side - 1, most), min(SMALLEST_TILE, side, most) - 1, -1):
        yield max(round(shape[0] * smaller / side), 1), max(round(shape[1] * smaller / side), 1)


def _shares(values: int, pixels: int) -> NDArray[Any]:
    """The share of each pixel covered by each value of a row, shape (pixels, values); rows sum to 1."""
    edges = np.linspace(0, values, pixels + 1, dtype=np.float32)[:, None]
    first = np.arange(values, dtype=np.float32)
    covered = np.minimum(edges[1:], first + 1) - np.maximum(edges[:-1], first)
    covered = np.clip(covered, 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True))
