"""Rows as comma- or tab-separated values."""

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
    value = to_json(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
