"""Write rows as JSON: one array, or one object per line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from filterkit.errors import is_layout
from filterkit.plugins.protocols import Row


@dataclass(frozen=True)
class Json:
    """One JSON array of objects, one object per line; values that JSON lacks (NaN, infinity) are null."""

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


def _object(row: Row, columns: tuple[str, ...]) -> str:
    return printable_json(json.dumps({name: to_json(row.get(name)) for name in columns}, ensure_ascii=False))


def printable_json(text: str) -> str:
    """The same JSON, with escapes for control characters and those that hide or reorder text on a terminal.

    Other non-ASCII characters are kept, so that the text stays readable.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or is_layout(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def to_json(value: Any) -> Any:
    """`value` as JSON types: NaN and infinity become None, bytes hexadecimal, anything else text."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): to_json(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
