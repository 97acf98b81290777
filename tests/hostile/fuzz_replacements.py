"""Links, pipes and other things in the place of a file."""

from __future__ import annotations

import os
import random
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from fuzz_scene import Scene


def replace(path: Path, scene: Scene, draw: random.Random, content: bytes = b"") -> str:
    """Put something else there: a link, something that is no file, or another file."""
    kind = draw.choice(
        ("symlink", "symlink", "symlink", "hard link", "fifo", "folder", "socket", "loop", "file", "huge")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.read_bytes() if _is_small(path) else content
    remove(path)
    target = draw.choice(scene.targets)
    if kind == "hard link" and target.is_file():
        os.link(target, path)
    elif kind == "fifo" and hasattr(os, "mkfifo"):
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "x").write_bytes(b"x")
    elif kind == "socket":
        with suppress(OSError), socket.socket(socket.AF_UNIX) as listener:
            where = os.open(path.parent, os.O_RDONLY)
            try:
                listener.bind(f"/proc/self/fd/{where}/{path.name}")
            finally:
                os.close(where)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "file":
        path.write_bytes(
            draw.choice((b"", b"x", draw.randbytes(5000), whole[: len(whole) // 2], whole + b"x"))
        )
    elif kind == "huge":
        with path.open("wb") as file:
            file.write(whole[:100])
            file.truncate(1 << 31)
    else:
        kind = "symlink"
        path.symlink_to(target if draw.random() < 0.5 else os.path.relpath(target, path.parent))
    led = f" to {target.name}" if "link" in kind else ""
    return f"{path.relative_to(scene.folder)} is a {kind}{led}"


def remove(path: Path) -> None:
    """Whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_small(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size < 1 << 20
