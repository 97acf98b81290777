"""Files and folders around a catalog's folder that nothing may touch, and what is seen of touching them.

Three witnesses: the kernel's inotify sees every file that is opened or changed, by SQLite and ONNX Runtime
too (Linux only); Python's audit hook sees what filterkit itself opens, wherever that is; and what the files
hold, their times and names are compared.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

State = dict[str, tuple[Any, ...]]

FREE = ("shared", "work", "tmp", "cache")
"""Folders that may be written: the catalog's, the current one, and those for temporary files and caches."""

LETTERS = 40
"""More files in one folder than are kept of the parts of a model."""

EVENTS = {
    0x1: "read",
    0x2: "written",
    0x4: "changed",
    0x20: "opened",
    0x40: "moved",
    0x80: "moved here",
    0x100: "made",
    0x200: "removed",
}
"""Of inotify."""
NAMED = 0x40 | 0x80 | 0x100 | 0x200
"""Those that change the names in a folder."""


class Outside:
    """What lies beside the folder of a catalog: a stranger's files, and folders that may be used.

    Attributes
    ----------
    base
        Holds all of it: ``outside``, which is not to be touched, and the folders that are `FREE`.
    """

    def __init__(self, base: Path, templates: Path) -> None:
        self.base = base.resolve()
        self.folder = self.base / "outside"
        self._templates = templates
        self._notes = _Notes()
        for name in FREE:
            (self.base / name).mkdir()
        self.restore()

    def restore(self) -> None:
        """Make everything as it was before anybody touched it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for stray in {each.name for each in self.base.iterdir()} - {*FREE}:
            _remove(self.base / stray)
        (self.folder / "letters").mkdir(parents=True)
        for number in range(LETTERS):
            (self.folder / "letters" / f"{number}.txt").write_text(f"Dear {number}")
        (self.folder / "diary.txt").write_text("Dear diary")
        (self.folder / "empty").mkdir()
        (self.folder / "empty.txt").touch()
        if hasattr(os, "mkfifo"):
            os.mkfifo(self.folder / "fifo")
        shutil.copytree(self._templates, self.folder / "templates")
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (1e9, 1e9))
        self._state = self._contents()
        self._notes.watch(self.base, NAMED)
        for folder in (self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())):
            self._notes.watch(folder, sum(EVENTS))
        self._notes.read()

    def touched(self) -> list[str]:
        """What was done outside since this was last asked, in words."""
        seen = self._notes.read()
        state = self._contents()
        self._notes.read()  # comparing reads as well
        names = sorted(self._state.keys() ^ state.keys())
        changed = [name for name in self._state.keys() & state.keys() if self._state[name] != state[name]]
        self._state = state
        return [
            *seen,
            *(f"{name} is {'new' if name in state else 'gone'}" for name in names),
            *(f"{name} is changed" for name in sorted(changed)),
        ]

    def targets(self) -> list[Path]:
        """Files and folders for links to lead to; some do not exist."""
        names = ["diary.txt", "letters", "empty", "empty.txt", "letters/1.txt", "missing", "missing/file"]
        templates = sorted((self.folder / "templates").iterdir())
        return [*(self.folder / name for name in names), *templates]

    def _contents(self) -> State:
        found: State = {}
        for path in (*self.base.iterdir(), *self.folder.rglob("*")):
            status = path.lstat()
            whole = path.is_file() and not path.is_symlink() and path.parent != self.base
            found[str(path.relative_to(self.base))] = (
                status.st_mode,
                status.st_mtime_ns if whole else None,
                path.read_bytes() if whole else None,
            )
        return found


class _Notes:
    """The kernel's own notes about watched folders; none where it takes none."""

    def __init__(self) -> None:
        self._folders: dict[int, str] = {}
        self._handle = -1
        if sys.platform == "linux":
            self._system = ctypes.CDLL(None, use_errno=True)
            self._handle = self._system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)

    def watch(self, folder: Path, events: int) -> None:
        if self._handle >= 0:
            watched = self._system.inotify_add_watch(self._handle, os.fsencode(folder), events)
            self._folders[watched] = folder.name

    def read(self) -> list[str]:
        seen: dict[str, None] = {}
        while self._handle >= 0:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                break
            place = 0
            while place < len(data):
                watched, mask, _, length = struct.unpack_from("iIII", data, place)
                name = data[place + 16 : place + 16 + length].rstrip(b"\0").decode(errors="replace")
                place += 16 + length
                for bit, word in EVENTS.items():
                    if mask & bit:
                        seen[f"{self._folders.get(watched)}/{name} is {word}"] = None
        return list(seen)


class Audit:
    """What this process opens or changes outside the folders that it may, as Python's audit hook sees it.

    SQLite and ONNX Runtime open files unseen by it.
    """

    def __init__(self, outside: Outside) -> None:
        system = ("/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/opt/nvidia", "/var/lib")
        python = (sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path))
        ours = (outside.base / name for name in FREE)
        package = Path(__file__).parents[2]
        self._allowed = {
            os.path.realpath(path) for path in (*system, *python, *ours, package, tempfile.gettempdir())
        }
        self._listening = False
        self._seen: dict[str, None] = {}
        sys.addaudithook(self._hear)

    @contextmanager
    def listening(self) -> Iterator[dict[str, None]]:
        self._seen, self._listening = {}, True
        try:
            yield self._seen
        finally:
            self._listening = False

    def _hear(self, event: str, details: tuple[Any, ...]) -> None:
        if not self._listening or event not in AUDITED:
            return
        self._listening = False
        try:
            itself = event in UNFOLLOWED or (event == "open" and (details[2] or 0) & NOFOLLOW)
            for path in details[: AUDITED[event]]:
                where = _real(path, follow=not itself)
                if where and not any(_within(where, allowed) for allowed in self._allowed):
                    self._seen[f"{event} {where}"] = None
        finally:
            self._listening = True


AUDITED = {
    **dict.fromkeys(("open", "os.listdir", "os.scandir", "os.remove", "os.mkdir", "os.rmdir"), 1),
    **dict.fromkeys(("os.truncate", "os.utime", "os.chmod", "os.chown", "sqlite3.connect"), 1),
    **dict.fromkeys(("os.rename", "os.link"), 2),
}
"""Events that carry paths, and how many."""
UNFOLLOWED = ("os.remove", "os.rename", "os.mkdir", "os.rmdir")
"""Those that are about a link itself where there is one."""
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _real(path: Any, *, follow: bool) -> str | None:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return None  # a handle, or nothing
    name = os.fsdecode(path)
    if name.startswith("file:"):
        name = urllib.parse.unquote(urllib.parse.urlsplit(name).path)
    if not name or "\0" in name or name == ":memory:":
        return None
    if follow:
        return os.path.realpath(name)
    return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def state(folder: Path) -> State:
    """Everything below `folder` by name: what it is, how large, and when it was last changed."""
    found: State = {}
    left = [folder]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                is_folder = entry.is_dir(follow_symlinks=False)
                found[os.path.relpath(entry.path, folder)] = (
                    *(status.st_mode, status.st_ino),
                    *(
                        (status.st_mtime_ns,)
                        if is_folder
                        else (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    ),
                )
                if is_folder:
                    left.append(Path(entry.path))
    return found


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
