"""Hashes and sizes of files."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_plain(path: Path) -> bool:
    """Whether `path` is a regular file, not a link, nor a pipe or device, on which opening may block."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def bytes_on_disk(file: str | Path) -> int:
    """Bytes that a file occupies: the apparent size of a sparse file can be arbitrarily large.

    Raises
    ------
    OSError
        The file's status cannot be read.
    """
    status = os.stat(file)  # noqa: PTH116, a Path takes several times as long
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, 512 * blocks)


SPARSE = 1 << 30
"""Bytes above which a file is checked for being sparse; filterkit writes no such files."""


def is_sparse(path: Path) -> bool:
    """Whether a file is almost entirely sparse: it may claim exabytes, all of which hashing would read."""
    size = path.stat().st_size
    return size > SPARSE and bytes_on_disk(path) < size / 1000


def bytes_below(folder: Path) -> int:
    """Total size of the regular files below a folder; 0 if it is not a folder.

    Links are not followed, and files that are deleted in the meantime do not count.
    """
    size = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = Path(inside, name).lstat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size
