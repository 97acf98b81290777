"""Free SQL over a catalog, for reading only and within limits, in a process that can be killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filterkit.byte_sizes import parse_size, show_size
from filterkit.catalog.database import Catalog
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.journals import check_beside
from filterkit.catalog.sqlite.sql_errors import instead
from filterkit.catalog.sqlite.sql_process import Failure, Limits, answers
from filterkit.catalog.sqlite.sql_worker import (
    BY_MEMORY,
    BY_NAMES,
    BY_RESULTS,
    BY_ROW,
    BY_TIME,
    HEAP,
    LONGEST_SQL,
    NAMES,
    NO_ROWS,
    ROW_ROOM,
    TEMPORARY,
)
from filterkit.errors import CatalogError, FilterkitError, UnknownNameError, UsageError

Row = dict[str, Any]

LARGEST_VALUE = "1MB"
LARGEST_RESULT = "2GB"
"""Of rows that are streamed: a thousand models are four million filters, which take 1.2 GB of it."""

SQLITE_VALUE = 1_000_000_000
"""Bytes of the largest text or blob that SQLite knows."""

_NO_COLUMN = "no such column: "

OF_THE_FILE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
}
OF_TEMPORARY_FILES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_GETTEMPPATH,
}
"""Nothing else is written."""


def query(
    catalog: Catalog,
    sql: str,
    *,
    timeout: float | None = None,
    limit: int | None = None,
    max_value: int | str | None = LARGEST_VALUE,
    max_result: int | str | None = LARGEST_RESULT,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Run one SELECT.

    Parameters
    ----------
    timeout
        Seconds that SQLite may work; what the reader of the rows does in between is not counted.
    limit
        How many rows at most.
    max_value
        Bytes that one text or blob may have, intermediate ones included; None for SQLite's own limit.
    max_result
        Bytes that all rows together may have: 64 for a row and 8 for each of its values, and the length of
        texts, those included that blobs become; None for any number.

    Returns
    -------
    columns
        In the order of the SELECT; a name that comes again gets a number behind it.
    rows
        Streamed.

    Raises
    ------
    UsageError
        Where `sql` is wrong, more than one statement, or does anything but read; where a value is larger
        than `max_value`; where a limit is none.
    CatalogError
        Where it takes longer than `timeout`, more memory than it may have, or there is more than
        `max_result`, once the rows before that were read.
    """
    check_beside(catalog.path, write=False)
    limits = Limits(timeout or None, limit, _value(max_value), _size(max_result))
    rows = _rows(catalog.path, sql, limits)
    columns = next(rows)
    return columns, rows


def _rows(path: Path, sql: str, limits: Limits) -> Iterator[Any]:
    """The names of columns, then the rows; closing it ends the process that they come from."""
    batches = answers(connections.reading_uris(path), _encoded(sql), limits)
    try:
        [names] = next(batches)
        columns = _unique(names)
        yield columns
        for batch in batches:
            for values in zip(*batch, strict=True):
                yield dict(zip(columns, values, strict=False))
    except Failure as failure:
        raise _meaning(path, sql, failure, limits) from failure
    finally:
        batches.close()  # type: ignore[attr-defined]


def _encoded(sql: str) -> bytes:
    try:
        encoded = sql.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the query is not UTF-8", hint="write it in UTF-8") from error
    if len(encoded) > LONGEST_SQL:
        raise UsageError(
            f"the query has {show_size(len(encoded))}; {show_size(LONGEST_SQL)} is allowed",
            hint="ask for less at a time",
        )
    return encoded


def _size(size: int | str | None) -> int | None:
    if size is None or isinstance(size, str):
        return None if size is None else parse_size(size)
    if size < 1:
        raise UsageError(f"a limit of {size} bytes lets nothing through", hint="give more, or None for any")
    return size


def _value(size: int | str | None) -> int:
    value = SQLITE_VALUE if size is None else _size(size)
    assert value is not None
    if value > SQLITE_VALUE:
        raise UsageError(
            f"one value may have {show_size(SQLITE_VALUE)} at most, not {show_size(value)}",
            hint="SQLite itself has no larger ones",
        )
    return value


def _meaning(path: Path, sql: str, failure: Failure, limits: Limits) -> FilterkitError:
    if failure.which == BY_TIME:
        return CatalogError(
            f"the query took longer than {limits.seconds:g} seconds", hint="allow more with --timeout"
        )
    if failure.which == BY_RESULTS:
        assert limits.results is not None
        return CatalogError(
            f"the results have more than {show_size(limits.results)}",
            hint="allow more with --max-result, or ask for fewer rows with --limit",
        )
    if failure.which == BY_MEMORY or failure.code == sqlite3.SQLITE_NOMEM:
        return CatalogError(
            f"the query needs more memory than it may have ({HEAP >> 20} MiB, and more with --max-value)",
            hint="ask for less at a time: fewer columns, or smaller values",
        )
    if failure.which == BY_ROW:
        return CatalogError(
            f"a row has more than {show_size(2 * limits.value + ROW_ROOM)}",
            hint="ask for fewer columns, or allow more with --max-value",
        )
    if failure.which == BY_NAMES:
        return UsageError(
            f"the names of the columns have more than {show_size(NAMES)}", hint="name columns with AS"
        )
    if failure.which == NO_ROWS:
        return UsageError("there is no SELECT in the query", hint="give one, e.g. 'SELECT * FROM model'")
    return _of_sqlite(path, sql, failure, limits)


def _of_sqlite(path: Path, sql: str, failure: Failure, limits: Limits) -> FilterkitError:
    code, words = failure.code, failure.words
    kind = code & 0xFF  # the rest of a code says where it happened
    if code in OF_TEMPORARY_FILES:
        return CatalogError(
            f"the query cannot write its temporary files ({words})",
            hint=f"is there room for them where TMPDIR points? Each may have {TEMPORARY >> 30} GiB",
        )
    if kind in OF_THE_FILE:
        return connections.explain(path, sqlite3.DatabaseError(words))
    if kind == sqlite3.SQLITE_TOOBIG:
        return UsageError(
            f"a text, blob or row of the query has more than {show_size(limits.value)}",
            hint="allow more with --max-value, e.g. 64MB",
        )
    if kind in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY) or words.startswith("not authorized"):
        return UsageError(f"the query does more than read ({words})", hint="only SELECT is allowed")
    if "one statement" in words:
        return UsageError("the query is more than one statement", hint="give one SELECT")
    if "malformed JSON" in words:
        return UsageError(
            f"the query cannot be run: {words}", hint="json_valid(…) is 1 for what SQLite can read as JSON"
        )
    message, hint = f"the query cannot be run: {words}", instead(sql, words)
    if words.startswith(_NO_COLUMN):
        return UnknownNameError(message, name=words.removeprefix(_NO_COLUMN), hint=hint)
    return UsageError(message, hint=hint)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    taken: dict[str, int] = {}
    for name in names:
        candidate, number = name, taken.get(name, 0)
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken[name] = number or 1
        taken.setdefault(candidate, 1)
    return tuple(taken)
