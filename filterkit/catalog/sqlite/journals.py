"""The files beside a catalog that SQLite reads, writes, rolls back or deletes.

SQLite trusts its ``-journal``, ``-wal`` and ``-shm``: it rolls the database back from a journal, then deletes
the file that the journal names as its super-journal, and it writes through links. In an untrusted folder
these files are untrusted input, so they are checked before SQLite opens anything.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from filterkit.errors import CatalogError

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
