"""Copying a database and its rows as the driver has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.sqlite.connections import Connection, connect, driver_connection

Values = tuple[Any, ...]


def copy_database(path: Path, copy: Path) -> None:
    """Copy the catalog at `path` with its write-ahead log to `copy`; raises `connections.Error`."""
    with closing(connect(path)) as source, closing(connect(copy, write=True)) as target:
        source.backup(target)


def limited(connection: sa.Connection, length: int) -> Connection:
    """The driver's connection, which from now on reads no text and no row of more than `length` bytes."""
    driver = driver_connection(connection)
    driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, length)
    return driver


def insert_values(connection: sa.Connection, table: sa.Table, rows: Sequence[Values]) -> None:
    """Insert rows with all columns of `table`, in the order of the schema; JSON as text."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(table.columns))})'
    if rows:
        connection.exec_driver_sql(statement, list(rows))


def stored_values(connection: sa.Connection, statement: str, *parameters: Any) -> Iterator[Values]:
    """The rows of a statement; JSON as text."""
    return (tuple(row) for row in connection.exec_driver_sql(statement, parameters))
