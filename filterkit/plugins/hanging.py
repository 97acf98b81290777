"""Ends code of a plugin that does not come back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from filterkit.errors import PluginError

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin

AGAIN = 1.0
"""Seconds after which code is stopped once more that caught what was to stop it; less where it had less."""
TIMES = 10
"""How often code is stopped; if it still runs then, the process ends, which nobody could use any more."""


class Hanging(PluginError):
    """A plugin that did not come back."""


class _Late(BaseException):
    """Raised inside of what hangs; no ``except Exception`` holds it up."""


class _Alarm:
    """A handler of SIGALRM that raises as long as it is on, and reports where that was caught."""

    def __init__(self, plugin: Plugin, who: str, report: Callable[[str], None]) -> None:
        self.on = True
        self._plugin = plugin
        self._who = who
        self._report = report
        self._raised = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.on:
            return
        if self._raised == TIMES:
            _end_process(
                f"{self._who} cannot be stopped, so filterkit ends;"
                f" FILTERKIT_PLUGINS_BLOCKED={self._plugin.name} goes without it"
            )
        self._raised += 1
        if self._raised == 2:
            self._report(f"{self._who} still runs")
        raise _Late


def _end_process(last_words: str) -> NoReturn:
    """At once, as no exception gets through; past the buffers, which may be in use just now."""
    with suppress(OSError):
        os.write(2, f"{last_words}\n".encode())
    os._exit(1)


def _who(plugin: Plugin, doing: str) -> str:
    return f"filterkit: plugin {plugin}: {doing or 'import'}"


@contextmanager
def ended_after(seconds: float, plugin: Plugin, doing: str, report: Callable[[str], None]) -> Iterator[None]:
    """Run code of a plugin; where it takes longer, raise `Hanging` in its midst.

    It is reported where it catches that. What catches it time and again, not even Ctrl-C could end: then the
    process ends, with exit code 1. No catalog suffers, as they are written to in transactions.

    All this takes POSIX signals, the main thread, and nobody who uses SIGALRM already; elsewhere see
    `told_after`. Within another limit, that one holds.

    Parameters
    ----------
    seconds
        0 for no limit.
    doing
        What the plugin is called for: a hook; empty for its import.
    """
    handler = signal.getsignal(signal.SIGALRM) if hasattr(signal, "setitimer") else None
    main = threading.current_thread() is threading.main_thread()
    if not seconds or (main and isinstance(handler, _Alarm)):
        yield
    elif not main or handler is not signal.SIG_DFL:
        with told_after(seconds, plugin, doing, report):
            yield
    else:
        alarm = _Alarm(plugin, _who(plugin, doing), report)
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, seconds, min(seconds, AGAIN))
        try:
            try:
                yield
            finally:
                alarm.on = False
        except _Late as stopped:
            raise Hanging(f"hangs ({seconds:g} s)") from stopped
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


@contextmanager
def told_after(seconds: float, plugin: Plugin, doing: str, report: Callable[[str], None]) -> Iterator[None]:
    """Run code of a plugin; where it takes longer, report that, and let it go on.

    Parameters as of `ended_after`.
    """
    if not seconds:
        yield
        return
    timer = threading.Timer(seconds, report, [f"{_who(plugin, doing)} still runs"])
    timer.daemon = True
    try:
        timer.start()  # waits for its thread: Ctrl-C may come here
        yield
    finally:
        timer.cancel()
