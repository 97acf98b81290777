"""Free SQL over a catalog: read-only, within limits, in a process that can be killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filterkit.budget import parse_size, show_size
from filterkit.catalog.database import Catalog
from filterkit.catalog.sqlite.connections import check_beside, reading_uris
from filterkit.catalog.sqlite.sql_errors import explain_failure
from filterkit.catalog.sqlite.sql_process import Failure, Limits, run
from filterkit.catalog.sqlite.sql_worker import LONGEST_SQL
from filterkit.errors import UsageError

Row = dict[str, Any]

LARGEST_VALUE = "1MB"
LARGEST_RESULT = "2GB"
"""Of the streamed rows: the four million filters of a thousand models take 1.2 GB."""

SQLITE_VALUE = 1_000_000_000
"""Bytes of the largest text or blob that SQLite supports."""


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
        Seconds that SQLite may work; time spent by the reader of the rows is not counted.
    limit
        Maximum number of rows.
    max_value
        Maximum size of one text or blob in bytes, including intermediate ones; None for SQLite's own limit.
    max_result
        Maximum size of all rows in bytes: 64 per row, 8 per value, plus the length of texts, including the
        hexadecimal text that blobs become; None for no limit.

    Returns
    -------
    columns
        In the order of the SELECT; a repeated name gets a number as its suffix.
    rows
        Streamed.

    Raises
    ------
    UsageError
        `sql` is invalid, more than one statement, or does anything but read; a value is larger than
        `max_value`; a limit is invalid.
    CatalogError
        The statement exceeds `timeout`, its memory or `max_result`; raised after the rows before that.
    """
    check_beside(catalog.path, write=False)
    limits = Limits(timeout or None, limit, _value(max_value), _size(max_result))
    rows = _rows(catalog.path, sql, limits)
    columns = next(rows)
    return columns, rows


def _rows(path: Path, sql: str, limits: Limits) -> Iterator[Any]:
    """The names of columns, then the rows; closing the iterator ends the process that they come from."""
    batches = run(reading_uris(path), _encoded(sql), limits)
    try:
        [names] = next(batches)
        columns = _unique(names)
        yield columns
        for batch in batches:
            for values in zip(*batch, strict=True):
                yield dict(zip(columns, values, strict=False))
    except Failure as failure:
        raise explain_failure(path, sql, failure, limits) from failure
    finally:
        batches.close()  # type: ignore[attr-defined]


def _encoded(sql: str) -> bytes:
    try:
        encoded = sql.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the query is not valid Unicode", hint="encode it as UTF-8") from error
    if len(encoded) > LONGEST_SQL:
        raise UsageError(
            f"the query has {show_size(len(encoded))}; at most {show_size(LONGEST_SQL)} is allowed",
            hint="split it into several queries",
        )
    return encoded


def _size(size: int | str | None) -> int | None:
    if size is None or isinstance(size, str):
        return None if size is None else parse_size(size)
    if size < 1:
        raise UsageError(f"a limit must be at least 1 byte, not {size}", hint="use None for no limit")
    return size


def _value(size: int | str | None) -> int:
    value = SQLITE_VALUE if size is None else _size(size)
    assert value is not None
    if value > SQLITE_VALUE:
        raise UsageError(
            f"the limit of one value must be at most {show_size(SQLITE_VALUE)}, not {show_size(value)}",
            hint="SQLite supports no larger values",
        )
    return value


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
