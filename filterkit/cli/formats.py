"""The built-in output formats. Each is an `OutputFormat`, offered by ``filterkit_output_formats``."""

from __future__ import annotations

import csv
import json
import math
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from filterkit.errors import UsageError, closest, is_layout, one_line
from filterkit.plugins.protocols import Row


@dataclass(frozen=True)
class Table:
    """For reading. On a terminal it fits the width; elsewhere it is as wide as it is.

    Parameters
    ----------
    columns
        The columns to show; empty for all.
    quiet
        Do not say on stderr that there are no rows, or which columns are not shown.
    """

    columns: tuple[str, ...] = ()
    quiet: bool = False

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        from filterkit.cli.table import lay_out

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
            self._say(f"{count} not shown ({names}); --format json or csv has all")

    def _say(self, words: str) -> None:
        if not self.quiet:
            print(one_line(words), file=sys.stderr)


@dataclass(frozen=True)
class Json:
    """One JSON array of objects, one object per line; what JSON cannot say (NaN, infinity) is null."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        before = "["
        for row in rows:
            stream.write(f"{before}\n  {_object(row, columns)}")
            before = ","
        stream.write("[]\n" if before == "[" else "\n]\n")


@dataclass(frozen=True)
class Ndjson:
    """One JSON object per line."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        stream.writelines(f"{_object(row, columns)}\n" for row in rows)


@dataclass(frozen=True)
class Csv:
    """Comma-separated values, quoted as RFC 4180 says; lists stand as JSON, missing values are empty."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        _delimited(rows, columns, stream, ",")


@dataclass(frozen=True)
class Tsv:
    """Tab-separated values; otherwise as `Csv`."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        _delimited(rows, columns, stream, "\t")


def _delimited(rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO, delimiter: str) -> None:
    writer = csv.writer(_Lines(stream), delimiter=delimiter)
    # On a terminal one row is one line, whatever is in it; elsewhere it is data, and nothing is changed.
    shown = one_line if stream.isatty() else str
    lines = ([shown(_field(row.get(name))) for name in columns] for row in rows)
    first = list(islice(lines, 1))  # before the header: work that fails at once leaves nothing behind
    writer.writerow(map(shown, columns))
    writer.writerows(chain(first, lines))


@dataclass(frozen=True)
class _Lines:
    """Gives csv's lines the platform's ends: RFC 4180's own are doubled on Windows and trouble awk.

    The writer must not know, for it quotes a carriage return only while its lines end with one.
    """

    stream: TextIO

    def write(self, line: str) -> int:
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def _field(value: Any) -> str:
    value = _plain(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _object(row: Row, columns: tuple[str, ...]) -> str:
    return printable_json(json.dumps({name: _plain(row.get(name)) for name in columns}, ensure_ascii=False))


def printable_json(text: str) -> str:
    """The same JSON with escapes for what a terminal would obey, and what would hide or reorder its text.

    Other letters stay as they are, for reading.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or is_layout(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _plain(value: Any) -> Any:
    """`value` as JSON can say it: NaN and infinity are None, bytes hexadecimal, anything else is text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
