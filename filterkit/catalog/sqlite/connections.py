"""SQLite connections to a catalog's file, and what their errors mean."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from filterkit.catalog.sqlite.journals import WAL, beside, check_beside
from filterkit.errors import CatalogError
from filterkit.hashing import bytes_on_disk

BUSY_SECONDS = 60.0
"""How long one writer waits for another. A writer holds the lock while it copies a model into the store."""


SIGNS_OF_DAMAGE = ("malformed", "no such column", "no such table", "UTF-8", "corrupt", "JSON")
"""In SQLite's words about a file whose schema is the one that this code knows."""

SETTINGS = (
    "PRAGMA foreign_keys = ON",
    # The file may be somebody else's: nothing in its schema runs functions that reach further than the rows,
    # and no page is believed before its cells were looked at.
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)

CANNOT_WRITE = frozenset(
    (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
)
"""As in `sql_worker`, which shares no code with anything: what SQLite says where it can make no file."""

MEANINGLESS = (ValueError, TypeError, OverflowError, RecursionError)
"""What reading a row raises where it holds what filterkit never writes, e.g. JSON that is none."""


class Patience:
    """How many steps SQLite may work on one question: so many for every byte of the file, and some besides.

    Pages of a crafted file may lead in circles, or a million times to the same page. No honest question comes
    near the limit, however large the catalog; and what a reader of the rows does in between is not counted.
    """

    STEP = 100_000
    """Of SQLite's virtual machine, between two looks: a millisecond or so."""
    PER_BYTE = 20
    BESIDES = 2_000_000
    WRITING = 100
    """What looking at every row takes is less than one for every byte; the rest is room."""

    def __init__(self, path: Path) -> None:
        self._files = str(path), str(beside(path, WAL))
        self.renew()

    def renew(self, *, writing: bool = False) -> None:
        """Another question begins; or a transaction that writes, in which a whole model may be inserted."""
        size = 0
        for file in self._files:
            with suppress(FileNotFoundError):
                size += bytes_on_disk(file)
        self._left = (self.BESIDES + self.PER_BYTE * size) * (self.WRITING if writing else 1)
        self.is_exhausted = False

    def is_over(self) -> bool:
        """Whether SQLite has to stop; called after every `STEP`."""
        self._left -= self.STEP
        self.is_exhausted = self._left < 0
        return self.is_exhausted


def connect(path: Path, *, write: bool = False, patience: Patience | None = None) -> sqlite3.Connection:
    """A connection to the file at `path`, which only a writer may make or change.

    A reader changes nothing: SQLite itself opens the file for reading only, and at most makes its own
    ``-wal`` and ``-shm`` beside it.

    Parameters
    ----------
    patience
        Ends statements that run on for ever.

    Raises
    ------
    CatalogError
        Where the file cannot be opened, is not SQLite, or something beside it must not be touched.
    """
    try:
        check_beside(path, write=write)
        connection = _open(f"{path.as_uri()}?mode=rwc") if write else _connect_reading(path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(path, error) from error
    if patience is not None:
        connection.set_progress_handler(patience.is_over, Patience.STEP)
    return connection


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
        from filterkit.graph.file_kinds import file_kind

        kind = file_kind(path)
        return CatalogError(
            f"{path} is no catalog but {kind.what}" if kind else f"{path} is no catalog, nor SQLite at all",
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
    if isinstance(error, MEANINGLESS) or any(sign in text for sign in SIGNS_OF_DAMAGE):
        return damaged(path, text)
    return CatalogError(
        f"the catalog {path} cannot be used: {text}",
        hint="look whether its folder may be written, or choose another with --catalog",
    )


def damaged(path: Path, what: str) -> CatalogError:
    """Reports that the catalog at `path` holds what no filterkit writes."""
    return CatalogError(
        f"the catalog {path} is damaged ({what[:300]})",
        hint="put a copy back, or move it away and make it anew with `filterkit add`",
    )


def to_json(value: Any) -> str:
    """JSON as catalogs hold it: without spaces, so that equal lists are equal texts."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def reading_uris(path: Path) -> list[str]:
    """How SQLite can open the file at `path` for reading, each way to be tried where those before it fail
    since nothing can be made beside it (see `CANNOT_WRITE`).

    A WAL database in such a folder is read as it stands, unless its log holds what the file lacks.
    """
    uri = path.as_uri()  # which escapes spaces, quotes, ?, # and %
    log = beside(path, WAL)
    if log.exists() and log.stat().st_size:
        return [f"{uri}?mode=ro"]
    return [f"{uri}?mode=ro", f"{uri}?mode=ro&immutable=1"]


def _connect_reading(path: Path) -> sqlite3.Connection:
    *others, last = reading_uris(path)
    for uri in others:
        try:
            return _reading(uri)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in CANNOT_WRITE:
                raise
    return _reading(last)


def _reading(uri: str) -> sqlite3.Connection:
    connection = _open(uri)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master").close()  # the file is not looked at before
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    for setting in SETTINGS:
        connection.execute(setting)
    return connection
