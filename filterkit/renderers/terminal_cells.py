"""Pixels as characters: coloured half blocks, or a ramp of plain characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
