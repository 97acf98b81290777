"""Read addresses that another command writes from standard input."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from filterkit.errors import NotFoundError, UsageError

LARGEST = 16 * 2**20
"""Limit on the input in bytes; rows for all the filters that fit on one sheet are smaller."""

LONGEST = 1000
"""Limit on the length of an address in characters."""

EXAMPLE = "filterkit filters vgg16 --format ndjson | filterkit show - -o found.png"


def read_addresses() -> tuple[list[str] | list[tuple[str, str]], int]:
    """The addresses on standard input: rows as JSON, NDJSON, CSV or TSV, or one address per line.

    Rows of `filterkit diff` give pairs. Those of layers that could not be compared are left out; the second
    value is their number.

    Raises
    ------
    UsageError
        Standard input is a terminal, or cannot be parsed.
    NotFoundError
        Standard input contains no address.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no rows are piped into standard input", hint=f"for example: {EXAMPLE}")
    data = sys.stdin.buffer.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UsageError(
            f"more than {LARGEST >> 20} MiB on standard input",
            hint="reduce the rows with --columns address and --limit N",
        )
    try:
        rows = list(_addresses(data.decode("utf-8-sig").strip()))
    except UnicodeDecodeError:
        raise _unreadable("it is not text") from None
    except (ValueError, RecursionError, csv.Error):
        raise _unreadable("its rows are not JSON, NDJSON, CSV or TSV") from None
    found = [names for names in rows if names]
    left_out = len(rows) - len(found)
    if left_out and not found:
        raise NotFoundError(
            "none of the rows on standard input is a pair that can be drawn",
            hint="their column reason says why the layers were not compared",
        )
    if not found:
        raise NotFoundError("standard input contains no address", hint="perhaps no filter met the condition")
    for address in chain(*found):
        if len(address) > LONGEST or not address.isprintable():
            raise _unreadable(f"{address[:20]!r}… is not an address")
    pairs = [(each[0], each[1]) for each in found if len(each) == 2]
    return (pairs if len(pairs) == len(found) else list(chain(*found))), left_out


def _addresses(text: str) -> Iterator[tuple[str, ...]]:
    head, _, rest = text.partition("\n")
    delimiter = next((mark for mark in ",\t" if {"address", "address_a"} & {*head.split(mark)}), None)
    if text.startswith(("[", "{")):
        yield from _of_rows(_json_rows(text))
    elif delimiter:
        yield from _of_rows(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    elif any(line.startswith("──") for line in rest.split("\n", 3)):
        raise _unreadable("it is a table formatted for people")
    else:
        yield from ((line,) for line in filter(None, map(str.strip, text.split("\n"))))


def _json_rows(text: str) -> Iterator[object]:
    if text.startswith("["):
        yield from json.loads(text)
    else:
        yield from (json.loads(line) for line in text.split("\n") if line.strip())


def _of_rows(rows: Iterable[object]) -> Iterator[tuple[str, ...]]:
    """The addresses in each row; none in a row of layers that were not compared."""
    for number, row in enumerate(rows, 1):
        known = row if isinstance(row, dict) else {}
        is_pair = "address" not in known and {"address_a", "address_b"} <= known.keys()
        names = ("address_a", "address_b") if is_pair else ("address",)
        if is_pair and (known.get("reason") or not all(known[name] for name in names)):
            yield ()
            continue
        found = tuple(known[name] for name in names if isinstance(known.get(name), str))
        if len(found) < len(names):
            raise _unreadable(f"row {number} has no address", "include the column address in --columns")
        yield found


def _unreadable(why: str, hint: str = "write the rows with --format ndjson, json, csv or tsv") -> UsageError:
    return UsageError(f"standard input cannot be read: {why}", hint=hint)
