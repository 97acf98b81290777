"""Files kept between runs, addressed by their content, so that a broken one is noticed and fetched again."""

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
    """What is known of one file taken out of a wheel.

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
    """The file kept under `key`, or None where there is none or its content is not what was kept."""
    try:
        receipt = Receipt(**json.loads(_receipt_path(key).read_text("utf-8")))
        path = _content_path(key, receipt)
        intact = file_sha256(path) == receipt.member_sha256
    except (OSError, ValueError, TypeError):
        return None
    return (path, receipt) if intact else None


def is_kept(key: str) -> bool:
    """Whether something is kept under `key`; does not read the content."""
    try:
        receipt = Receipt(**json.loads(_receipt_path(key).read_text("utf-8")))
        return _content_path(key, receipt).is_file()
    except (OSError, ValueError, TypeError):
        return False


def keep(key: str, path: Path, receipt: Receipt) -> None:
    """Keep a copy of `path` under `key`; safe where several processes do so at once.

    Raises
    ------
    SourceError
        Where the cache folder cannot be written.
    """
    try:
        with _appearing(_content_path(key, receipt)) as partial:
            shutil.copyfile(path, partial)
        with _appearing(_receipt_path(key)) as partial:
            partial.write_text(json.dumps(asdict(receipt)), "utf-8")
    except OSError as error:
        raise SourceError(
            f"the cache folder {cache_folder()} cannot be written: {error.strerror}",
            hint="name another one in FILTERKIT_CACHE",
        ) from error


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A partial file that takes the place of `path` at the end, whole or not at all."""
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
    # The digits are checked because the receipt is a file that anybody may have written.
    int(receipt.member_sha256, 16)
    return cache_folder() / _FOLDER / f"{receipt.member_sha256}{PurePosixPath(key).suffix}"
