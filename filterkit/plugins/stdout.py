"""Keeps stdout for data: what plugins print while filterkit calls them goes to stderr."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin


class _Stdout:
    """Turned away by the first who asks and turned back by the last: they may be of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._kept: tuple[Any, int | None] = (None, None)

    def turn_away(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._kept = sys.stdout, _point_at_stderr()
                sys.stdout = sys.stderr

    def turn_back(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                sys.stdout, descriptor = self._kept
                if descriptor is not None:
                    os.dup2(descriptor, 1)
                    os.close(descriptor)


def _point_at_stderr() -> int | None:
    """Let descriptor 1, which C code and child processes write to, lead to stderr; a copy of what it was."""
    try:
        kept = os.dup(1)
    except OSError:  # a process without stdout
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(kept)
        return None
    return kept


_stdout = _Stdout()


@contextmanager
def stdout_for_data(plugin: Plugin) -> Iterator[None]:
    """Run code of a plugin; what it, or a process that it starts, prints on stdout comes out on stderr.

    Built-in plugins print nothing.
    """
    if plugin.is_built_in:
        yield
        return
    _stdout.turn_away()
    try:
        yield
    finally:
        _stdout.turn_back()
