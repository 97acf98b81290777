"""Connections to a catalog's file, their transactions and locks, and what SQLite's errors mean.

SQLite trusts the ``-journal``, ``-wal`` and ``-shm`` beside the file: it rolls the database back from a
journal, then deletes the file that the journal names as its super-journal, and it writes through links. In an
untrusted folder these files are untrusted input, so they are checked before SQLite opens anything.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from filterkit.catalog.sqlite.statements import to_json
from filterkit.errors import CatalogError
from filterkit.hashing import bytes_on_disk

JOURNAL, WAL, SHM = SUFFIXES = ("-journal", "-wal", "-shm")

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""The last bytes of a journal that names a super-journal
(https://sqlite.org/fileformat2.html#the_rollback_journal and ``readSuperJournal`` in SQLite's pager.c)."""

WRITING_SECONDS = 0.5
"""How long a reader waits for a journal to disappear. A writer has one for a moment while it creates a new
catalog; after that there is none, as catalogs have a write-ahead log."""

RECOVER = "filterkit doctor --recover"


def beside(path: Path, suffix: str) -> Path:
    """The file that SQLite keeps beside the catalog at `path`: ``catalog.db-wal`` for ``-wal``."""
    return path.with_name(path.name + suffix)


def check_beside(path: Path, *, write: bool) -> None:
    """Raise an error if a file beside the catalog at `path` must not be touched by SQLite.

    Parameters
    ----------
    write
        Whether the catalog will be written: a writer rolls back a journal, unless it names a file.

    Raises
    ------
    CatalogError
        One of the files is a link, has a second hard link, or is not a regular file; or there is a journal
        that names a file or, for readers, any journal with content.
    """
    check_regular(path, "give the path of the file itself with --catalog", hard_links=not write)
    for suffix in SUFFIXES:
        check_regular(beside(path, suffix), "move it away, as SQLite would write to it")
    journal = beside(path, JOURNAL)
    if write:
        if _names_a_file(journal):
            raise CatalogError(
                f"the journal {journal} names another file, which SQLite would delete",
                hint="filterkit never writes such a journal; do not use a catalog from an unknown source",
            )
    elif not _disappears(journal):
        raise CatalogError(
            f"a writer of the catalog {path} was interrupted and left {journal.name}, or is still writing",
            hint=f"if no process is writing it, `{RECOVER}` restores its previous state",
        )


def check_regular(path: Path, hint: str, *, hard_links: bool = False) -> None:
    """Raise CatalogError if `path` is a link, not a regular file or, unless allowed, has other hard links."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise CatalogError(f"{path} cannot be examined: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise CatalogError(
            f"{path} is a symbolic link to {path.readlink()}; links are not followed here", hint=hint
        )
    if not stat.S_ISREG(status.st_mode):
        raise CatalogError(f"{path} is not a regular file", hint=hint)
    if status.st_nlink > 1 and not hard_links:
        raise CatalogError(
            f"{path} has a second hard link, so that writing it would change another file",
            hint="replace it with a copy: cp FILE COPY && mv COPY FILE",
        )


def clear_journal(path: Path) -> None:
    """Delete the journal beside the catalog at `path` if it begins with a zero, as finished ones do.

    The catalog is being written through its write-ahead log: no other process uses a journal.
    """
    journal = beside(path, JOURNAL)
    check_regular(journal, "move it away")
    with suppress(FileNotFoundError):
        with journal.open("rb") as file:
            is_finished = file.read(1) == b"\0"
        if is_finished:
            journal.unlink()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _disappears(journal: Path) -> bool:
    """Whether there is no journal with content, now or within `WRITING_SECONDS`."""
    deadline = time.monotonic() + WRITING_SECONDS
    while _size(journal):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _names_a_file(journal: Path) -> bool:
    if _size(journal) < len(JOURNAL_MAGIC):
        return False
    with journal.open("rb") as file:
        file.seek(-len(JOURNAL_MAGIC), os.SEEK_END)
        return file.read() == JOURNAL_MAGIC


Connection = sqlite3.Connection
Error = sqlite3.Error

BUSY_SECONDS = 60.0
"""How long one writer waits for another. A writer holds the lock while it copies a model into the store."""

SIGNS_OF_DAMAGE = ("malformed", "no such column", "no such table", "UTF-8", "corrupt", "JSON", "too big")
"""Words in SQLite's messages that mean corruption where the schema is one that filterkit creates."""

SETTINGS = (
    # The file may be untrusted: its schema runs no function that has effects outside the database,
    # and the cells of every page are checked before they are used.
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)

INVALID_VALUE_ERRORS = (ValueError, TypeError, OverflowError, RecursionError)
"""What reading a row raises where it contains what filterkit never writes, e.g. invalid JSON."""

_WRITES = "filterkit_write"
"""The execution option of SQLAlchemy connections that begin as writers."""


class StepLimit:
    """How many steps SQLite may take for one request: a number per byte of the file, plus a constant.

    Pages of a crafted file may form a cycle, or lead a million times to the same page. No legitimate request
    comes near the limit, however large the catalog. Time that the reader of the rows spends is not counted.
    """

    INTERVAL = 100_000
    """Steps of SQLite's virtual machine between two checks: about a millisecond."""
    PER_BYTE = 20
    CONSTANT = 2_000_000
    WRITING = 100
    """Reading every row takes less than one step per byte; the rest is margin."""

    def __init__(self, path: Path, stop: Callable[[], bool] | None = None) -> None:
        self._files = str(path), str(beside(path, WAL))
        self._stop = stop
        self.reset()

    def reset(self, *, writing: bool = False) -> None:
        """Begin another request, or a transaction that writes and may insert a whole model."""
        size = 0
        for file in self._files:
            with suppress(FileNotFoundError):
                size += bytes_on_disk(file)
        self._left = (self.CONSTANT + self.PER_BYTE * size) * (self.WRITING if writing else 1)
        self.is_exceeded = False

    def check(self) -> bool:
        """Whether SQLite must stop; called after every `INTERVAL` steps."""
        self._left -= self.INTERVAL
        self.is_exceeded = self._left < 0
        return self.is_exceeded or (self._stop is not None and self._stop())


def engine(
    path: Path, *, write: bool = False, foreign_keys: bool = True, limit: StepLimit | None = None
) -> sa.Engine:
    """An SQLAlchemy engine whose connections are those of `connect`, with the same parameters."""
    created = sa.create_engine(
        "sqlite://",
        creator=lambda: connect(path, write=write, foreign_keys=foreign_keys, limit=limit),
        poolclass=QueuePool,
        json_serializer=to_json,
    )
    sa.event.listen(created, "begin", _begin)
    sa.event.listen(created, "invalidate", _roll_back)
    return created


def as_writer(connection: sa.Connection) -> sa.Connection:
    """`connection`, whose next transaction takes the write lock when it begins."""
    return connection.execution_options(**{_WRITES: True})


def driver_connection(connection: sa.Connection) -> Connection:
    """The driver's own connection below that of SQLAlchemy."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def connect(
    path: Path, *, write: bool = False, foreign_keys: bool = True, limit: StepLimit | None = None
) -> Connection:
    """Connect to the file at `path`, which only a writer may create or change.

    A reader changes nothing: SQLite opens the file read-only, and creates at most its own ``-wal`` and
    ``-shm`` beside it.

    Parameters
    ----------
    write
        Open the file for writing, and create it if it does not exist.
    foreign_keys
        Enforce foreign keys.
    limit
        Stops statements that do not terminate.

    Raises
    ------
    CatalogError
        The file cannot be opened, is not SQLite, or a file beside it must not be touched.
    """
    try:
        check_beside(path, write=write)
        connection = _open(f"{path.as_uri()}?mode=rwc") if write else _connect_reading(path)
        if foreign_keys:
            connection.execute("PRAGMA foreign_keys = ON")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise explain(path, error) from error
    if limit is not None:
        connection.set_progress_handler(limit.check, StepLimit.INTERVAL)
    return connection


def use_write_ahead_log(path: Path) -> None:
    """Switch the file to a write-ahead log, so that readers do not wait for its writer.

    Raises
    ------
    CatalogError
        The file cannot be written.
    """
    connection = connect(path, write=True)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # another process is doing the same
            raise explain(path, error) from error
    finally:
        connection.close()


def is_interruption(error: BaseException) -> bool:
    """Whether `error` is SQLite's report that a statement was stopped: by Ctrl-C or by a `StepLimit`."""
    return str(error) == "interrupted"


def explain(path: Path, error: BaseException) -> CatalogError:
    """The error to show to the user for one of SQLite, or of reading rows, in the catalog at `path`."""
    text = str(error)
    if "not a database" in text:
        from filterkit.graph.loading.file_kinds import file_kind

        kind = file_kind(path)
        return CatalogError(
            f"{path} is not a catalog but {kind.what}" if kind else f"{path} is not an SQLite file",
            hint="choose another file with --catalog, FILTERKIT_CATALOG or filterkit.open(FILE)",
        )
    if "readonly" in text:
        return CatalogError(f"the catalog {path} is read-only", hint="copy it to a writable folder")
    if "locked" in text:
        return CatalogError(
            f"the catalog {path} is in use by another process; waited {BUSY_SECONDS:g} seconds for it",
            hint="try again when that process is done",
        )
    if "full" in text:
        return CatalogError(
            f"the catalog {path} cannot be written: {text}", hint="free disk space and try again"
        )
    if "disk I/O" in text or "unable to open" in text:
        return CatalogError(
            f"the catalog {path} cannot be used: {text}",
            hint="check for free disk space and for permission to write to the folder",
        )
    if isinstance(error, INVALID_VALUE_ERRORS) or any(sign in text for sign in SIGNS_OF_DAMAGE):
        return damaged(path, text)
    return CatalogError(
        f"the catalog {path} cannot be used: {text}",
        hint="check whether its folder is writable, or choose another with --catalog",
    )


def damaged(path: Path, what: str) -> CatalogError:
    """The error for a catalog at `path` that contains what filterkit never writes."""
    return CatalogError(
        f"the catalog {path} is corrupted ({what[:300]})",
        hint="restore it from a backup, or move it away and create a new one with `filterkit add`",
    )


def reading_uris(path: Path) -> list[str]:
    """The URIs with which SQLite can open the file at `path` for reading, to be tried in turn.

    The next one is tried where the one before fails because no file can be created beside the catalog (see
    `sql_worker.CANNOT_WRITE`). A WAL database there is read without its log, unless the log has content.
    """
    uri = path.as_uri()  # which escapes spaces, quotes, ?, # and %
    log = beside(path, WAL)
    if log.exists() and log.stat().st_size:
        return [f"{uri}?mode=ro"]
    return [f"{uri}?mode=ro", f"{uri}?mode=ro&immutable=1"]


def _begin(connection: sa.Connection) -> None:
    # The driver's implicit transactions are off, as they do not cover DDL. A writer takes the lock at once:
    # a transaction that begins by reading can be refused the lock later.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _roll_back(connection: Connection, *_: object) -> None:
    # SQLAlchemy closes a connection that Ctrl-C interrupted. SQLite closes it only once its last statement is
    # finalized, and the traceback still refers to it: until then the lock would remain, in this process too.
    with suppress(sqlite3.Error):
        connection.rollback()


def _connect_reading(path: Path) -> Connection:
    *others, last = reading_uris(path)
    for uri in others:
        try:
            return _open_reading(uri)
        except sqlite3.OperationalError as error:
            from filterkit.catalog.sqlite.sql_worker import CANNOT_WRITE

            if error.sqlite_errorcode & 0xFF not in CANNOT_WRITE:
                raise
    return _open_reading(last)


def _open_reading(uri: str) -> Connection:
    connection = _open(uri)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master").close()  # the file is not read before
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(uri: str) -> Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    for setting in SETTINGS:
        connection.execute(setting)
    return connection
