"""The folder of an export: complete or not there, and never over files of others.

Everything is written to a folder beside it, which takes its place in the end. A manifest lists what was
written, so that a later export knows which files may go.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filterkit.errors import FilterkitError, UsageError
from filterkit.web.site_names import is_safe

MANIFEST = "filterkit-site.json"
LARGEST_MANIFEST = 100_000_000
MOST_OTHERS = 1000
"""Limit on the files of others in a folder that is exported again; each is copied."""

HINT = "give a new or empty folder, or that of an earlier export"


def check_folder(folder: Path) -> list[Path]:
    """The files of others in a folder that may be exported to, relative to it.

    Raises
    ------
    UsageError
        It is a file or a link, contains links, or is not empty and no earlier export.
    """
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return []
    if stat.S_ISLNK(mode):
        raise UsageError(f"'{folder}' is a link, which is not followed", hint="give the folder it leads to")
    if not stat.S_ISDIR(mode):
        raise UsageError(f"'{folder}' is not a folder", hint=HINT)
    if not any(folder.iterdir()):
        return []
    ours, others = _manifest(folder), []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST and (name not in ours or _hash(path) != ours[name]):
            others.append(path.relative_to(folder))
    if len(others) > MOST_OTHERS:
        raise UsageError(
            f"'{folder}' contains {len(others):,} files that are no export, or were changed", hint=HINT
        )
    return others


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which replaces `folder` if the block completes.

    Files of others in `folder`, and files of the earlier export that were changed, are kept.

    Raises
    ------
    UsageError
        As of `check_folder`, or a file of others would be overwritten.
    """
    folder = folder.absolute()
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    name = os.urandom(8).hex()
    new, old = (folder.with_name(f".{name}.{end}") for end in ("part", "old"))
    try:
        new.mkdir()
        yield new
        for path in check_folder(folder):
            if os.path.lexists(new / path):
                raise UsageError(
                    f"'{folder / path}' was changed, and would be overwritten",
                    hint="move it away, or give another folder",
                )
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / path, new / path, follow_symlinks=False)
        _swap(new, folder, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_manifest(folder: Path, about: Mapping[str, object], files: Mapping[str, str]) -> None:
    """List the files that were written, with their SHA-256."""
    text = json.dumps({**about, "files": dict(sorted(files.items()))}, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Let `new` take the place of `folder`, which moves to `old`."""
    existed = folder.exists()
    if existed:
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if existed and not folder.exists():
            old.rename(folder)
        raise


def _manifest(folder: Path) -> Mapping[str, str]:
    """The files that an earlier export wrote, which is read as a file of unknown origin."""
    path = folder / MANIFEST
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_MANIFEST:
            raise ValueError
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        if not isinstance(files, dict):
            raise ValueError
        return {name: digest for name, digest in files.items() if is_safe(name) and isinstance(digest, str)}
    except FileNotFoundError:
        raise UsageError(f"the folder '{folder}' is not empty, and no earlier export", hint=HINT) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"'{path}' is not the manifest of an export", hint=HINT) from None


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder.

    Raises
    ------
    UsageError
        Something is neither a file nor a folder.
    """
    for above, folders, names in os.walk(folder, onerror=_raise):
        for name in (*folders, *names):
            path = Path(above, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise UsageError(f"'{path}' is a link or no file, which an export leaves alone", hint=HINT)
        yield from (Path(above, name) for name in names)


def _raise(error: OSError) -> None:
    raise error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, name: str, data: bytes) -> str:
    """Write one file of an export; its SHA-256.

    Raises
    ------
    FilterkitError
        It cannot be written.
    """
    path = folder / name
    try:
        with suppress(FileExistsError):
            path.parent.mkdir(parents=True)
        path.write_bytes(data)
    except OSError as error:
        raise FilterkitError(
            f"cannot write '{name}': {error.strerror or error}", hint="check the space on the disk"
        ) from error
    return hashlib.sha256(data).hexdigest()
