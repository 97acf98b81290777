"""Ends code of a plugin that does not come back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from filterkit.errors import PluginError

AGAIN = 1.0
"""Seconds after which code is stopped once more that caught what was to stop it."""


class Hanging(PluginError):
    """A plugin that did not come back."""


class _Late(BaseException):
    """Raised inside of what hangs; no ``except Exception`` holds it up."""


class _Alarm:
    """A handler of SIGALRM that raises as long as it is on, and calls `late` where that was caught."""

    def __init__(self, late: Callable[[], None]) -> None:
        self.on = True
        self._late = late
        self._raised = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.on:
            return
        self._raised += 1
        if self._raised == 2:
            self._late()
        raise _Late


@contextmanager
def ended_after(seconds: float, late: Callable[[], None]) -> Iterator[None]:
    """Run code; where it takes longer, raise `Hanging` in its midst; where it catches that, call `late` too.

    That takes POSIX signals, the main thread, and nobody who uses SIGALRM already; elsewhere see
    `told_after`. Within another limit, that one holds.

    Parameters
    ----------
    seconds
        0 for no limit.
    """
    handler = signal.getsignal(signal.SIGALRM) if hasattr(signal, "setitimer") else None
    main = threading.current_thread() is threading.main_thread()
    if not seconds or (main and isinstance(handler, _Alarm)):
        yield
    elif not main or handler is not signal.SIG_DFL:
        with told_after(seconds, late):
            yield
    else:
        alarm = _Alarm(late)
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
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
def told_after(seconds: float, late: Callable[[], None]) -> Iterator[None]:
    """Run code; where it takes longer, call `late`, and let it go on. 0 for never."""
    if not seconds:
        yield
        return
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
