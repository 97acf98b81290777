"""Write rows as comma- or tab-separated values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from filterkit.errors import one_line
from filterkit.formats.json_lines import to_json
from filterkit.plugins.protocols import Row


@dataclass(frozen=True)
class Csv:
    """Comma-separated values, quoted as in RFC 4180; lists are written as JSON, missing values are empty."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        _delimited(rows, columns, stream, ",")


@dataclass(frozen=True)
class Tsv:
    """Tab-separated values; otherwise as `Csv`."""

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        _delimited(rows, columns, stream, "\t")


def _delimited(rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO, delimiter: str) -> None:
    writer = csv.writer(_Lines(stream), delimiter=delimiter)
    # On a terminal every row is one line, whatever it contains; elsewhere the data is left unchanged.
    shown = one_line if stream.isatty() else str
    lines = ([shown(_field(row.get(name))) for name in columns] for row in rows)
    first = list(islice(lines, 1))  # before the header, so that work that fails at once writes nothing
    writer.writerow(map(shown, columns))
    writer.writerows(chain(first, lines))


@dataclass(frozen=True)
class _Lines:
    """Replaces csv's line ends by the platform's: those of RFC 4180 are doubled on Windows and confuse awk.

    This is hidden from the writer, which quotes carriage returns only if its own lines end with one.
    """

    stream: TextIO

    def write(self, line: str) -> int:
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def _field(value: Any) -> str:
    value = to_json(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
