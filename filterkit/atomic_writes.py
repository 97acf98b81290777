"""Atomic writing of files: write a temporary file beside the target, and rename it when complete."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which replaces `path` if the block completes.

    After a full disk or an interruption the previous file is unchanged; if the process is killed, a hidden
    file ``*.part`` is left beside it. As in an editor, links are followed, an existing file keeps its mode,
    and a read-only file is not replaced. A path that is not a regular file, such as a pipe or a device, is
    written directly.

    Raises
    ------
    OSError
        `path`, which the error names, cannot be written.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if mode is not None and not stat.S_ISREG(mode):
        yield path
        return
    target = Path(os.path.realpath(path))
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    part = target.with_name(f".{os.urandom(16).hex()}.part")
    try:
        with naming(path, part):
            # Created exclusively, so that no existing file is written to, with the mode of any new file.
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            if mode is not None:
                part.chmod(stat.S_IMODE(mode) & 0o777)
            yield part
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path, part: Path) -> Iterator[None]:
    """Make an OSError name `path`, which the user knows, if it names no file, `part` or a file in it."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(error.filename).is_relative_to(part):
            raise
        reason = error.strerror or f"cannot be written completely: {error}"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error


def write_file(path: Path, data: bytes) -> Path:
    """Write a file atomically, creating its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(data)
    return path


def put(source: Path, path: Path) -> None:
    """Move a complete file on the same file system to `path`, in the same way as `replacing`."""
    with replacing(path) as part:
        if stat.S_ISREG(part.stat().st_mode):
            mode = part.stat().st_mode
            source.chmod(stat.S_IMODE(mode))
            source.replace(part)
        else:
            import shutil

            with source.open("rb") as whole, part.open("wb") as out:
                shutil.copyfileobj(whole, out)
