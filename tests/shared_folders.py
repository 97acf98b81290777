"""Folders that are made once in a test run and read by all of its processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """The folder `name` of this test run, which the first process to need it makes with `fill`.

    The others wait. Nothing in it may be changed.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the workers' folders are in that of the whole run
    folder = root / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    # SQLite has a lock that works everywhere and does not outlive a killed process.
    with contextlib.closing(sqlite3.connect(folder.with_name(f"{name}.lock"), timeout=600)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        if not folder.exists():
            made = factory.mktemp(name)
            fill(made)
            made.rename(folder)
    return folder
