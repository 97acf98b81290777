"""Files that appear whole: written beside their name, and renamed once all is in them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Another path to write to, which takes the place of `path` at the end; where that is not reached, none.

    So a full disk or an interruption leaves what was there before, and so does the end of the process, which
    leaves a hidden file ``*.part`` beside it. As with an editor, a link leads to the file that is replaced, a
    file that is there keeps its mode, and is not replaced where it may not be written. What is no plain file,
    such as a pipe or a device, is written itself.

    Raises
    ------
    OSError
        It cannot be written; names `path`.
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
            # Made here, so that nothing that is there is written to; its mode is what any new file gets.
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
    """Let an OSError name `path`, which the user knows, where it names none, or `part` or what is in that."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(error.filename).is_relative_to(part):
            raise
        reason = error.strerror or f"cannot be written whole: {error}"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error


def put(source: Path, path: Path) -> None:
    """Move a file that is finished, and lies in the same file system, to `path`; as `replacing` would."""
    with replacing(path) as part:
        if stat.S_ISREG(part.stat().st_mode):
            mode = part.stat().st_mode
            source.chmod(stat.S_IMODE(mode))
            source.replace(part)
        else:
            import shutil

            with source.open("rb") as whole, part.open("wb") as out:
                shutil.copyfileobj(whole, out)
