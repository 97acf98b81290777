"""Reserve stdout for data: output of plugins goes to stderr."""

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
    """Redirected by the first user and restored by the last, as there may be several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved: tuple[Any, int | None] = (None, None)

    def redirect(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._saved = sys.stdout, _point_at_stderr()
                sys.stdout = sys.stderr

    def restore(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                sys.stdout, descriptor = self._saved
                if descriptor is not None:
                    os.dup2(descriptor, 1)
                    os.close(descriptor)


def _point_at_stderr() -> int | None:
    """Redirect descriptor 1, used by C code and child processes, to stderr; return a copy of it."""
    try:
        saved = os.dup(1)
    except OSError:  # a process without stdout
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(saved)
        return None
    return saved


_stdout = _Stdout()


@contextmanager
def stdout_for_data(plugin: Plugin) -> Iterator[None]:
    """Run code of a plugin; its output and that of its child processes on stdout is redirected to stderr.

    Built-in plugins do not print.
    """
    if plugin.is_built_in:
        yield
        return
    _stdout.redirect()
    try:
        yield
    finally:
        _stdout.restore()
