"""Downloaded files cached across runs, addressed by content, so that a corrupted one is fetched again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from filterkit.errors import SourceError
from filterkit.hashing import file_sha256
from filterkit.settings import cache_folder

_FOLDER = "members"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Provenance of one file extracted from a wheel.

    Attributes
    ----------
    wheel
        File name of the wheel, e.g. ``"qonnx-1.0.0-py2.py3-none-any.whl"``.
    wheel_sha256, member_sha256
        Hashes of the wheel and of the file, as hexadecimal digits.
    """

    wheel: str
    wheel_sha256: str
    member_sha256: str


def look_up(key: str) -> tuple[Path, Receipt] | None:
    """The file cached under `key`, or None if there is none or its content has changed."""
    try:
        receipt = Receipt(**json.loads(_receipt_path(key).read_text("utf-8")))
        path = _content_path(key, receipt)
        intact = file_sha256(path) == receipt.member_sha256
    except (OSError, ValueError, TypeError):
        return None
    return (path, receipt) if intact else None


def is_cached(key: str) -> bool:
    """Whether a file is cached under `key`; does not read the content."""
    try:
        receipt = Receipt(**json.loads(_receipt_path(key).read_text("utf-8")))
        return _content_path(key, receipt).is_file()
    except (OSError, ValueError, TypeError):
        return False


def store(key: str, path: Path, receipt: Receipt) -> None:
    """Cache a copy of `path` under `key`; safe with concurrent processes.

    Raises
    ------
    SourceError
        If the cache folder is not writable.
    """
    try:
        with _written_atomically(_content_path(key, receipt)) as partial:
            shutil.copyfile(path, partial)
        with _written_atomically(_receipt_path(key)) as partial:
            partial.write_text(json.dumps(asdict(receipt)), "utf-8")
    except OSError as error:
        raise SourceError(
            f"cannot write to the cache folder {cache_folder()}: {error.strerror}",
            hint="set FILTERKIT_CACHE to another folder",
        ) from error


@contextlib.contextmanager
def _written_atomically(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` atomically at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _receipt_path(key: str) -> Path:
    return cache_folder() / _FOLDER / (hashlib.sha256(key.encode()).hexdigest() + ".json")


def _content_path(key: str, receipt: Receipt) -> Path:
    # Check the digits: the receipt is untrusted, and its hash becomes part of a path.
    int(receipt.member_sha256, 16)
    return cache_folder() / _FOLDER / f"{receipt.member_sha256}{PurePosixPath(key).suffix}"
