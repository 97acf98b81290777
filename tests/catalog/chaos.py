"""Processes that are killed, interrupted, and compete for one catalog.

Run as a program, it forks children that work on one catalog, so that modules are imported only once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

from tiny_models import put

from filterkit.catalog import Catalog
from filterkit.catalog.store import model_sha256
from filterkit.errors import CatalogError, NotFoundError
from filterkit.ingest.commit import remove

NAMES = ("one", "two", "three")
TraceFunction: TypeAlias = Callable[[FrameType, str, Any], Any]
"""See `sys.settrace`."""

KEPT = "kept"
"""A model that no child changes."""


def named_by_rows(location: Path) -> set[str]:
    """The files that the store must contain, for a catalog of models without external data."""
    with contextlib.closing(sqlite3.connect(location)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = connection.execute("SELECT sha256, banks_sha256 FROM model").fetchall()
    models = {f"models/{sha256}/model.onnx" for sha256, _ in rows}
    return models | {f"banks/{sha256}.safetensors" for _, sha256 in rows}


def in_store(location: Path) -> set[str]:
    """The files that the store contains."""
    folder = location.with_suffix(".store")
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def check(location: Path) -> None:
    """The catalog opens, and every row has its bank and its model, unchanged."""
    with Catalog.open(location) as catalog:
        files = named_by_rows(location)
        assert files <= in_store(location), files - in_store(location)
        for name in files:
            path = catalog.store.folder / name
            if path.name == "model.onnx":
                assert model_sha256(path, []) == path.parent.name
            else:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def work(location: Path, models: list[Path], seed: int, times: int) -> None:
    """Add, replace and remove models under a few names."""
    chance = random.Random(seed)
    for _ in range(times):
        name = chance.choice(NAMES)
        with Catalog.open(location, write=True) as catalog, contextlib.suppress(NotFoundError):
            if chance.random() < 0.3:
                remove(catalog, name)
            else:
                put(catalog, chance.choice(models), name, replace=True)


def fork(child: Callable[[], None]) -> int:
    """Run `child` in a forked process, which ends without pytest's cleanup; returns its id.

    The exit code is 3 for a CatalogError, 130 for an interruption and 1 for all other exceptions.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        child()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except CatalogError as error:
        code = 3
        _tell(error)
    except BaseException as error:
        _tell(error)
    finally:
        os._exit(code)


def _tell(error: BaseException) -> None:
    with contextlib.suppress(OSError):  # a test may leave no disk space for messages either
        print(f"{type(error).__name__}: {error}", file=sys.stderr)


def ended(pid: int) -> int:
    """Wait for a child; returns its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def stop_at_step(number: int, how: Callable[[], None]) -> None:
    """Call `how` before this process accesses the file system for the `number`-th time."""
    left = number

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.copyfile")
        if changes or (event == "open" and arguments[1] not in ("r", "rb")):
            left -= 1
            if left == 0:
                how()

    sys.addaudithook(count)


def interrupt_at_line(number: int, within: Path) -> Callable[[], bool]:
    """Raise Ctrl-C at the `number`-th line executed in a file; the result says whether it was raised."""
    left = number

    def follow(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        return count if frame.f_code.co_filename.endswith(str(within)) else None

    def count(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal left
        left -= event == "line"
        if left == 0 and event == "line":
            raise KeyboardInterrupt
        return count

    sys.settrace(follow)
    return lambda: left <= 0


def kill_at_random(location: Path, models: list[Path], victims: int, at_once: int, seed: int) -> None:
    """Run children, a few at a time, and kill or interrupt each at some moment."""
    chance = random.Random(seed)
    endings: dict[int, int] = {}
    while victims:
        pids = []
        for _ in range(min(at_once, victims)):
            victims -= 1
            mine = chance.randrange(10**9)
            pids.append(fork(lambda mine=mine: work(location, models, mine, 20)))
        for pid in pids:
            time.sleep(chance.uniform(0, 0.06))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, chance.choice((signal.SIGKILL, signal.SIGINT)))
        for pid in pids:
            code = ended(pid)
            endings[code] = endings.get(code, 0) + 1
        check(location)
    print(dict(sorted(endings.items())))


if __name__ == "__main__":
    place, count, together, start, *files = sys.argv[1:]
    kill_at_random(Path(place), [Path(file) for file in files], int(count), int(together), int(start))
