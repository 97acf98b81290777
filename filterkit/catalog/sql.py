"""Free SQL over a catalog, for reading only: SQLite itself refuses everything else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from filterkit.catalog import connections
from filterkit.catalog.database import Catalog
from filterkit.errors import CatalogError, FilterkitError, UsageError

Row = dict[str, Any]

ALLOWED = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
FORBIDDEN_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer"))

LARGEST_VALUE = 64 << 20
"""Bytes of one text or blob; SQLite's own limit of 1 GB lets a query eat the memory."""

STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's virtual machine, between looks at the clock: well below a millisecond."""

STREAMED = 1000


def query(
    catalog: Catalog, sql: str, *, timeout: float | None = None, limit: int | None = None
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Run one SELECT.

    Parameters
    ----------
    timeout
        Seconds that SQLite may work; what the reader of the rows does in between is not counted.
    limit
        How many rows at most.

    Returns
    -------
    columns
        In the order of the SELECT; a name that comes again gets a number behind it.
    rows
        Streamed.

    Raises
    ------
    UsageError
        Where `sql` is wrong, more than one statement, or does anything but read.
    CatalogError
        Where it takes longer than `timeout`.
    """
    connection = connections.connect(catalog.path)
    clock = _Clock(timeout)
    try:
        _lock_down(connection, clock)
        with _Explained(catalog, clock):
            cursor = connection.execute(sql)
        if cursor.description is None:
            raise UsageError("there is no SELECT in the query", hint="give one, e.g. 'SELECT * FROM model'")
    except BaseException:
        connection.close()
        raise
    columns = _unique([column[0] for column in cursor.description])
    return columns, _rows(catalog, connection, cursor, columns, clock, limit)


class _Clock:
    """Runs while SQLite works, and says when its time is up."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.left = seconds if seconds else float("inf")
        self.started = 0.0

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.left -= time.monotonic() - self.started

    def is_up(self) -> bool:
        return time.monotonic() - self.started > self.left


class _Explained:
    """Runs the clock, and says what went wrong in words of the command line."""

    def __init__(self, catalog: Catalog, clock: _Clock) -> None:
        self.catalog = catalog
        self.clock = clock

    def __enter__(self) -> None:
        self.clock.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.clock.__exit__()
        if (
            isinstance(error, sqlite3.OperationalError)
            and str(error) == "interrupted"
            and self.clock.left > 0
        ):
            raise KeyboardInterrupt from error  # while SQLite worked, which only says that it was stopped
        if isinstance(error, (sqlite3.Error, sqlite3.Warning)):
            raise self._meaning(error) from error

    def _meaning(self, error: Exception) -> FilterkitError:
        text = str(error)
        if text == "interrupted":
            return CatalogError(
                f"the query took longer than {self.clock.seconds:g} seconds", hint="allow more with --timeout"
            )
        if any(words in text for words in ("authoriz", "prohibited", "readonly")):
            return UsageError(f"the query does more than read ({text})", hint="only SELECT is allowed")
        if "one statement" in text:
            return UsageError("the query is more than one statement", hint="give one SELECT")
        if any(words in text for words in ("malformed", "disk", "locked", "unable to open")):
            return connections.explain(self.catalog.path, error)
        return UsageError(
            f"the query cannot be run: {text}", hint='`filterkit query "SELECT * FROM model"` works'
        )


def _lock_down(connection: sqlite3.Connection, clock: _Clock) -> None:
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(clock.is_up, STEPS_BETWEEN_LOOKS)
    # SQLite's own tables that lists are read with are declared at first use, as if somebody created them.
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").close()
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY


def _rows(
    catalog: Catalog,
    connection: sqlite3.Connection,
    cursor: sqlite3.Cursor,
    columns: tuple[str, ...],
    clock: _Clock,
    limit: int | None,
) -> Iterator[Row]:
    left = float("inf") if limit is None else limit
    with closing(connection):
        while left > 0:
            with _Explained(catalog, clock):
                found = cursor.fetchmany(int(min(left, STREAMED)))
            if not found:
                return
            left -= len(found)
            for values in found:
                yield {name: _plain(value) for name, value in zip(columns, values, strict=True)}


def _plain(value: Any) -> Any:
    """Blobs as hexadecimal text: rows hold what JSON can hold."""
    return value.hex() if isinstance(value, bytes) else value


def _unique(names: list[str]) -> tuple[str, ...]:
    taken: dict[str, None] = {}
    for name in names:
        candidate, number = name, 1
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken[candidate] = None
    return tuple(taken)
