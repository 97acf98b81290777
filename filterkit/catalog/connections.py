"""SQLite connections to a catalog's file, and what their errors mean."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from filterkit.errors import CatalogError

BUSY_SECONDS = 60.0
"""How long one writer waits for another. A writer holds the lock while it copies a model into the store."""


SIGNS_OF_DAMAGE = ("malformed", "no such column", "no such table", "UTF-8", "corrupt")
"""In SQLite's words about a file whose schema is the one that this code knows."""


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """A connection to the file at `path`, which only a writer may make or change.

    Raises
    ------
    CatalogError
        Where the file cannot be opened, or is not SQLite.
    """
    try:
        return _open(path, "mode=rwc") if write else _connect_reading(path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(path, error) from error


def connect_strictly_reading(path: Path) -> sqlite3.Connection:
    """A connection through which SQLite itself opens the file for reading only."""
    try:
        return _reading(path, "mode=ro")
    except sqlite3.OperationalError:
        # A WAL database in a folder where nothing can be made. It is read as it stands, unless its log
        # holds what it lacks, or a journal what it has too much.
        logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
        if any(log.exists() and log.stat().st_size for log in logs):
            raise
        return _reading(path, "immutable=1")


def use_write_ahead_log(path: Path) -> None:
    """From now on readers of the file do not wait for its writer.

    Raises
    ------
    CatalogError
        Where the file cannot be written.
    """
    connection = connect(path, write=True)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # somebody else is at it, to the same end
            raise explain(path, error) from error
    finally:
        connection.close()


def explain(path: Path, error: BaseException) -> CatalogError:
    """What an error of SQLite, or of reading its rows, means for the user of the catalog at `path`."""
    text = str(error)
    if "not a database" in text:
        return CatalogError(
            f"{path} is no catalog: it is not an SQLite file",
            hint="choose another file with --catalog or FILTERKIT_CATALOG",
        )
    if "readonly" in text:
        return CatalogError(f"the catalog {path} is read-only", hint="copy it to a place that can be written")
    if "locked" in text:
        return CatalogError(
            f"the catalog {path} is in use by another process; waited {BUSY_SECONDS:g} seconds for it",
            hint="try again when that is done",
        )
    if "full" in text:
        return CatalogError(f"the catalog {path} cannot be written: {text}", hint="make room, and try again")
    if "disk I/O" in text or "unable to open" in text:
        return CatalogError(
            f"the catalog {path} cannot be used: {text}",
            hint="is there room on the disk, and may its folder be written?",
        )
    if isinstance(error, (ValueError, TypeError)) or any(sign in text for sign in SIGNS_OF_DAMAGE):
        return CatalogError(
            f"the catalog {path} is damaged ({text})",
            hint="put a copy back, or move it away and make it anew with `filterkit add`",
        )
    return CatalogError(
        f"the catalog {path} cannot be used: {text}",
        hint="look whether its folder may be written, or choose another with --catalog",
    )


def to_json(value: Any) -> str:
    """JSON as catalogs hold it: without spaces, so that equal lists are equal texts."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _connect_reading(path: Path) -> sqlite3.Connection:
    # Not mode=ro: such a connection makes the files beside a WAL database too, but cannot clear them away.
    try:
        connection = _reading(path, "mode=rw")
    except sqlite3.OperationalError:
        connection = connect_strictly_reading(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _reading(path: Path, how: str) -> sqlite3.Connection:
    connection = _open(path, how)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").close()  # the file is not looked at before
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(path: Path, how: str) -> sqlite3.Connection:
    # As a URI the path may hold anything: as_uri escapes spaces, quotes, ?, # and %.
    connection = sqlite3.connect(
        f"{path.as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
