"""What files hold, as a number."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bytes_below(folder: Path) -> int:
    """How many bytes the files below a folder hold; what vanishes meanwhile, or is no folder, holds none."""
    size = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += Path(inside, name).stat().st_size
    return size
