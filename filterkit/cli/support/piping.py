"""Addresses that another command writes and this one reads from standard input."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator

from filterkit.errors import NotFoundError, UsageError

LARGEST = 16 * 2**20
"""Bytes that are read; rows about more filters than fit on one sheet are less."""

LONGEST = 1000
"""Characters of one address."""

EXAMPLE = "filterkit filters vgg16 --format ndjson | filterkit show - -o found.png"


def read_addresses() -> list[str]:
    """The addresses on standard input: rows as JSON, NDJSON, CSV or TSV, or an address per line.

    Raises
    ------
    UsageError
        A terminal is there instead of rows, or what is there cannot be read.
    NotFoundError
        There is none.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no rows are piped into standard input", hint=f"as in: {EXAMPLE}")
    data = sys.stdin.buffer.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UsageError(
            f"more than {LARGEST >> 20} MiB on standard input",
            hint="--columns address --limit N makes it less",
        )
    try:
        found = list(_addresses(data.decode("utf-8-sig").strip()))
    except UnicodeDecodeError:
        raise _unreadable("it is no text") from None
    except (ValueError, RecursionError, csv.Error):
        raise _unreadable("its rows are no JSON, NDJSON, CSV or TSV") from None
    if not found:
        raise NotFoundError(
            "no address comes through standard input", hint="perhaps no filter met the condition"
        )
    for address in found:
        if len(address) > LONGEST or not address.isprintable():
            raise _unreadable(f"{address[:20]!r}… is no address")
    return found


def _addresses(text: str) -> Iterator[str]:
    head, _, rest = text.partition("\n")
    delimiter = next((mark for mark in ",\t" if "address" in head.split(mark)), None)
    if text.startswith(("[", "{")):
        yield from _of_rows(_json_rows(text))
    elif delimiter:
        yield from _of_rows(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    elif any(line.startswith("──") for line in rest.split("\n", 3)):
        raise _unreadable("a table is for reading")
    else:
        yield from filter(None, map(str.strip, text.split("\n")))


def _json_rows(text: str) -> Iterator[object]:
    if text.startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.split("\n") if line.strip())


def _of_rows(rows: Iterable[object]) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        address = row.get("address") if isinstance(row, dict) else None
        if not isinstance(address, str):
            raise _unreadable(f"row {number} has no address", "--columns may have left it out")
        yield address


def _unreadable(
    why: str, hint: str = "--format ndjson, json, csv or tsv writes rows that can be piped"
) -> UsageError:
    return UsageError(f"standard input cannot be read: {why}", hint=hint)
