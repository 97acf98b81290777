"""How tables display themselves: a few rows as text, more of them as HTML in a notebook."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line
from filterkit.formats.table import cell, is_numeric, lay_out

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

MOST_IN_TEXT = 10
"""Limit on the rows of a table that is displayed as a whole in text."""
FIRST_IN_TEXT = 5
"""Rows of larger tables that are displayed in text."""
WIDTH = 80

MOST_COLUMNS = 50
"""Limit on the columns displayed in a notebook."""
LONGEST = 120
"""Limit on the characters of one value."""
PICTURE_HEIGHT = 32
"""Of a picture beside an address, in pixels of the page."""


def as_text(kind: str, rows: Sequence[Row], columns: Sequence[str]) -> str:
    """The first rows, with as many columns as fit, and the size of the table."""
    size = f"[{kind}: {_plural(len(rows), 'row')} × {_plural(len(columns), 'column')}]"
    if not rows or not columns:
        return size
    shown = rows[: MOST_IN_TEXT if len(rows) <= MOST_IN_TEXT else FIRST_IN_TEXT]
    shown_columns = columns[:MOST_COLUMNS]
    values = [[_short(row.get(name), LONGEST // 3) for name in shown_columns] for row in shown]
    lines, _ = lay_out(values, shown_columns, WIDTH)
    return "\n".join([*lines, *(["…"] if len(shown) < len(rows) else []), size])


def as_html(
    shown: Sequence[Row],
    columns: Sequence[str],
    count: int,
    pictures: Mapping[str, bytes],
    pictured: Collection[str],
) -> str:
    """A table for a notebook, whose theme gives the colours.

    Parameters
    ----------
    shown
        The rows to display.
    count
        Number of rows of the whole table.
    pictures
        A PNG for some of the addresses.
    pictured
        Columns of addresses with pictures.
    """
    aligned = {
        name: "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
        if shown and is_numeric([row.get(name) for row in shown])
        else f"text-align:left{';white-space:nowrap' * (name in pictured)}"
        for name in columns[:MOST_COLUMNS]
    }
    head = "".join(f'<th style="{style}">{escape(one_line(name))}</th>' for name, style in aligned.items())
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{style}">'
            + (_picture(pictures.get(row.get(name, ""))) if name in pictured else "")
            + f"{escape(cell(_short(row.get(name), LONGEST), name))}</td>"
            for name, style in aligned.items()
        )
        + "</tr>"
        for row in shown
    )
    return (
        f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"{_footer(len(shown), count, len(columns))}</div>"
    )


def _footer(shown: int, count: int, columns: int) -> str:
    """The size of the table, and how to see what is not displayed."""
    parts = [f"{_plural(count, 'row')} × {_plural(columns, 'column')}"]
    if shown < count:
        following = f"<code>rows[{shown}:{2 * shown}]</code> displays the next"
        parts.append(f"{count - shown:,} more: {following}, <code>rows.to_pandas()</code> has all")
    if columns > MOST_COLUMNS:
        parts.append(f"{columns - MOST_COLUMNS:,} more columns: <code>rows.columns</code> names all")
    return f"<p>{'; '.join(parts)}</p>"


def _picture(png: bytes | None) -> str:
    if png is None:
        return ""
    style = f"height:{PICTURE_HEIGHT}px;image-rendering:pixelated;vertical-align:middle;margin:0 .5em 0 0"
    return (
        f'<img alt="" style="{style};display:inline" src="data:image/png;base64,{b64encode(png).decode()}">'
    )


def _short(value: Any, longest: int) -> Any:
    """The value, with long texts and lists cut off."""
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[: longest - 1]}…"
    if isinstance(value, list | tuple):
        return [_short(each, longest) for each in value[:8]] + ["…"] * (len(value) > 8)
    return value if isinstance(value, int | float | None) else _short(str(value), longest)


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"
