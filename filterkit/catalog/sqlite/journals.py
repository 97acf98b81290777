"""What lies beside a catalog's file that SQLite would read, write, play back or delete.

SQLite trusts its ``-journal``, ``-wal`` and ``-shm``: it plays a journal back into the database, then deletes
the file that the journal names as its super-journal, and it writes through links. In a folder from somebody
else these files are input like any other, so they are looked at before SQLite opens anything.
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
"""Ends a journal that names a super-journal (https://sqlite.org/fileformat2.html#the_rollback_journal and
``readSuperJournal`` in SQLite's pager.c)."""

WRITING_SECONDS = 0.5
"""How long a reader waits for a journal to go. A writer that makes a new catalog has one for a moment; after
that there is none, as catalogs have a write-ahead log."""

RECOVER = "filterkit doctor --recover"


def beside(path: Path, suffix: str) -> Path:
    """The file that SQLite keeps beside the catalog at `path`: ``catalog.db-wal`` for ``-wal``."""
    return path.with_name(path.name + suffix)


def check_beside(path: Path, *, write: bool) -> None:
    """Refuse what SQLite must not touch beside the catalog at `path`.

    Parameters
    ----------
    write
        Whether the catalog is to be written: a writer plays back a journal, unless it names a file.

    Raises
    ------
    CatalogError
        One of the files is a link, has a second hard link, or is no plain file. Or there is a journal that
        names a file, or, for readers, any journal that has content.
    """
    check_plain(path, "give the path of the file itself with --catalog", hard_links=not write)
    for suffix in SUFFIXES:
        check_plain(beside(path, suffix), "move it away; SQLite would write to it")
    journal = beside(path, JOURNAL)
    if write:
        if _names_a_file(journal):
            raise CatalogError(
                f"the journal {journal} names another file, which SQLite would delete",
                hint="filterkit writes no such journal: use this catalog only if you know who made it",
            )
    elif not _gone(journal):
        raise CatalogError(
            f"a writer of the catalog {path} was interrupted, and left {journal.name}; or it still writes",
            hint=f"`{RECOVER}` puts the catalog back as it was before, if nobody writes it",
        )


def check_plain(path: Path, hint: str, *, hard_links: bool = False) -> None:
    """Raise CatalogError where `path` is a link, no plain file or, unless allowed, has a second hard link."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise CatalogError(f"{path} cannot be looked at: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise CatalogError(f"{path} is a link, to {path.readlink()}; no link is followed there", hint=hint)
    if not stat.S_ISREG(status.st_mode):
        raise CatalogError(f"{path} is not a plain file", hint=hint)
    if status.st_nlink > 1 and not hard_links:
        raise CatalogError(
            f"{path} has a second hard link, so that writing it would change another file",
            hint="put a copy in its place: cp FILE COPY && mv COPY FILE",
        )


def clear_journal(path: Path) -> None:
    """Delete the journal beside the catalog at `path` if it begins with zeros, as one that is done with does.

    The catalog is being written through its write-ahead log: nobody else uses a journal.
    """
    journal = beside(path, JOURNAL)
    check_plain(journal, "move it away")
    with suppress(FileNotFoundError):
        with journal.open("rb") as file:
            done = file.read(1) == b"\0"
        if done:
            journal.unlink()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _gone(journal: Path) -> bool:
    """Whether there is no journal with content, now or in a moment."""
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
