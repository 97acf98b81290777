"""What files hold, as a number."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_plain(path: Path) -> bool:
    """Whether `path` is a file, and neither a link nor a pipe or a device, which opening would wait for."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def bytes_on_disk(file: str | Path) -> int:
    """Bytes of a file that were ever written: it may claim any number, as holes cost nothing.

    Raises
    ------
    OSError
        It cannot be looked at.
    """
    status = os.stat(file)  # noqa: PTH116, a Path takes several times as long
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, 512 * blocks)


def bytes_below(folder: Path) -> int:
    """How many bytes the files below a folder hold; what vanishes meanwhile, or is no folder, holds none.

    Links are not followed.
    """
    size = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = Path(inside, name).lstat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size
