"""Write rows as a table for people. Pure text: rich's tables take a second for a thousand rows."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from filterkit.errors import UsageError, closest, one_line
from filterkit.plugins.protocols import Row

GAP = 2
MISSING = "-"


@dataclass(frozen=True)
class Table:
    """A table for people. On a terminal it fits the width; elsewhere its width is not limited.

    Parameters
    ----------
    columns
        The columns to show; empty for all.
    quiet
        Do not report on stderr that there are no rows, or which columns are not shown.
    """

    columns: tuple[str, ...] = ()
    quiet: bool = False

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        wanted = self.columns or columns
        for name in wanted:
            if name not in columns:
                raise UsageError(f"there is no column '{name}'", hint=closest(name, columns))
        values = [[row.get(name) for name in wanted] for row in rows]
        if not values:
            self._say("no rows")
            return
        width = shutil.get_terminal_size().columns if stream.isatty() else None
        lines, fitted = lay_out(values, wanted, width)
        stream.writelines(f"{line}\n" for line in lines)
        left_out = [name for name in columns if name not in wanted[:fitted]]
        if left_out:
            names = ", ".join(left_out if len(left_out) <= 3 else [*left_out[:2], "…"])
            count = "1 column is" if len(left_out) == 1 else f"{len(left_out)} columns are"
            self._say(f"{count} not shown ({names}); use --format json or csv to see all")

    def _say(self, words: str) -> None:
        if not self.quiet:
            print(one_line(words), file=sys.stderr)


def cell(value: Any, column: str = "") -> str:
    """One value as text: ``4,224``, ``0.01235``, ``3×3`` in a column of shapes, ``1,1`` in others."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.4g}"
    if isinstance(value, list | tuple):
        words = any(isinstance(each, str) for each in value)
        if column.endswith("shape"):
            return "×".join("?" if each is None else cell(each) for each in value)
        return (", " if words else ",").join(map(cell, value))
    return one_line(str(value))


def lay_out(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], width: int | None
) -> tuple[list[str], int]:
    """A table as lines, its header first.

    Parameters
    ----------
    rows
        Each with one value per column.
    columns
        Column names, the most important first.
    width
        Maximum width in characters; None for no limit. Text is wrapped or shortened, numbers never; trailing
        columns that still do not fit are left out.

    Returns
    -------
    lines
        The table.
    fitted
        Number of columns in the table.
    """
    texts = [[cell(value, name) for value, name in zip(row, columns, strict=True)] for row in rows]
    numeric = [is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    heads = [one_line(name).replace("_", "_\n").split("\n") for name in columns]
    natural = [
        max(*(_length(part) for part in head), *(_length(row[i]) for row in texts))
        for i, head in enumerate(heads)
    ]
    words = [any(" " in row[i] for row in texts) for i in range(len(columns))]
    widths = natural
    if width is not None and sum(natural) + GAP * (len(natural) - 1) > width:
        least = [
            full
            if is_number
            else max(*map(len, head), 12 if wraps else _distinguishing_width({row[i] for row in texts}))
            for i, (full, is_number, wraps, head) in enumerate(
                zip(natural, numeric, words, heads, strict=True)
            )
        ]
        widths = _fit(natural, least, words, width)
    depth = max(len(head) for head in heads[: len(widths)])
    lines = [
        _line([[""] * (depth - len(head)) + head for head in heads], depth_row, widths, numeric)
        for depth_row in range(depth)
    ]
    lines.append((" " * GAP).join("─" * each for each in widths))
    for row in texts:
        folded = [_fold(text, each) for text, each in zip(row, widths, strict=False)]
        lines += [_line(folded, i, widths, numeric) for i in range(max(map(len, folded)))]
    return lines, len(widths)


def is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column is aligned to the right."""
    return all(isinstance(value, int | float | None) and not isinstance(value, bool) for value in values)


def _length(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _distinguishing_width(names: set[str]) -> int:
    """The narrowest width at which different names remain distinguishable after shortening."""
    full = max(map(_length, names))
    for width in range(12, full):
        if len({_shorten(name, width) if _length(name) > width else name for name in names}) == len(names):
            return width
    return full


def _fit(natural: list[int], least: list[int], words: list[bool], width: int) -> list[int]:
    """Widths of as many columns as fit: first the minimum of each, then the remaining space.

    Names are widened before text, which can be wrapped.
    """
    least = [min(each, full) for each, full in zip(least, natural, strict=True)]
    least[0] = max(least[0], min(natural[0], 40))
    count = len(least)
    while count > 1 and sum(least[:count]) + GAP * (count - 1) > width:
        count -= 1
    widths = least[:count]
    widths[0] = min(widths[0], width)
    spare = width - sum(widths) - GAP * (count - 1)
    names = [0 if wraps else min(full, 24) for full, wraps in zip(natural, words, strict=True)]
    for wanted in (names[:count], natural[:count]):
        short = [i for i in range(count) if widths[i] < wanted[i]]
        while spare > 0 and short:
            for i in short[:spare]:
                widths[i] += 1
                spare -= 1
            short = [i for i in short if widths[i] < wanted[i]]
    return widths


def _fold(text: str, width: int) -> list[str]:
    """Wrap `text` at spaces; a single long word, such as a hash, is shortened."""
    if _length(text) <= width:
        return [text]
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [line if _length(line) <= width else _shorten(line, width) for line in lines] or [""]


def _shorten(text: str, width: int) -> str:
    """Drop the middle of `text`: names in a graph differ at the end as often as at the beginning."""
    if text.isascii():
        return f"{text[: width // 2]}…{text[len(text) - width + 1 + width // 2 :]}"
    from rich.cells import set_cell_size

    begin = set_cell_size(text, width // 2).rstrip()
    end = set_cell_size(text[::-1], width - 1 - width // 2).rstrip()[::-1]
    return f"{begin}…{end}"


def _line(cells: Sequence[Sequence[str]], depth: int, widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = []
    for lines, width, is_number in zip(cells, widths, numeric, strict=False):
        text = lines[depth] if depth < len(lines) else ""
        pad = " " * (width - _length(text))
        parts.append(pad + text if is_number else text + pad)
    return (" " * GAP).join(parts).rstrip()
