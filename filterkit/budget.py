"""What taking a model in may cost: CPU time and memory, looked at between steps.

Whoever works on a model says what it does next (`step`), however deep it stands: a graph that is opened, a
constant that is computed, a layer that is measured. The limits are therefore those of the context
(`contextvars`), which `limited` opens, and not a parameter of every function in between; without limits,
`step` does nothing. A single step is not interrupted, and no limit is set on this process: it may be a
notebook's.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from filterkit.byte_sizes import show_size
from filterkit.errors import ModelError, UsageError, one_line

INTERVAL = 0.01
"""Seconds. No more often is it asked what was used, since that takes microseconds, and a step may be as
short."""

LONGEST = 200
"""Characters of a step in a message; a model may give its parts any name."""


class Exceeded(ModelError):
    """Work on a model took more than it may; the message names the last step."""


@dataclass
class _Limits:
    """What is allowed, from now on.

    Attributes
    ----------
    subject
        What the work is done on, for a message.
    seconds, memory
        CPU time, and bytes; None for any.
    size
        The model's own size in bytes, as far as it is known.
    elsewhere
        CPU time in seconds of a process that works for this one and goes on.
    doing
        The step that began last: a template, and what is put into it.
    """

    subject: str
    seconds: float | None
    memory: int | None
    size: int = 0
    elsewhere: float = 0.0
    doing: tuple[str, tuple[object, ...]] = ("starting", ())
    next_look: float = 0.0
    cpu_before: float = field(default_factory=lambda: _cpu_time())
    memory_before: int = field(default_factory=lambda: _memory())

    def look(self) -> None:
        """Raise Exceeded where more was used than is allowed."""
        if self.seconds is not None and self.used() > self.seconds:
            self.refuse_time()
        if self.memory is not None and _memory() - self.memory_before > self.memory + self.size:
            self.refuse(f"more than {show_size(self.memory)} of memory beyond its own size", "--memory")
        self.next_look = time.monotonic() + INTERVAL

    def used(self) -> float:
        return _cpu_time() - self.cpu_before + self.elsewhere

    def refuse_time(self) -> NoReturn:
        self.refuse(f"more than {self.seconds:g} seconds of CPU time", "--timeout")

    def refuse(self, what: str, option: str) -> NoReturn:
        template, names = self.doing
        last = one_line(template.format(*names)[:LONGEST])
        raise Exceeded(
            f"{self.subject} took {what}; the last step was {last}", hint=f"allow more with {option}"
        )


_current: ContextVar[_Limits | None] = ContextVar("filterkit_limits", default=None)


@contextmanager
def limited(subject: str, seconds: float | None, memory: int | None) -> Iterator[None]:
    """Let what is done inside take so many seconds of CPU time and bytes of memory; None for any.

    CPU time is that of all threads of this process, and of other processes that work for it. Memory is what
    this process holds now beyond what it held before; files that are mapped do not count. Where the system
    does not tell what is held now, the highest so far counts; Windows tells neither.

    Parameters
    ----------
    subject
        What the work is done on, for a message.

    Raises
    ------
    UsageError
        A limit is not positive.
    Exceeded
        From `step`, once a limit is passed.
    """
    for name, limit in (("timeout", seconds), ("memory", memory)):
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} must be positive, and is {limit:g}", hint="None is for no limit")
    seconds = None if seconds == math.inf else seconds
    token = _current.set(_Limits(one_line(subject[:200]), seconds, memory))
    try:
        yield
    finally:
        _current.reset(token)


def step(doing: str, *names: object) -> None:
    """Say what is done next, and raise where what was done until now took too much.

    Parameters
    ----------
    doing
        For a message: ``"computing node '{0.name}'"``.
    names
        What is put into it with `str.format`, where it comes to a message.

    Raises
    ------
    Exceeded
        More CPU time or memory was used than is allowed. The message names the step before.
    """
    limits = _current.get()
    if limits is not None:
        if time.monotonic() >= limits.next_look:
            limits.look()
        limits.doing = (doing, names)


def look() -> None:
    """Raise as `step` does, however short the last step was: for the end of all."""
    limits = _current.get()
    if limits is not None:
        limits.look()


def allow(size: int) -> None:
    """Make room for a model that is so many bytes large."""
    limits = _current.get()
    if limits is not None:
        limits.size += size


def charge(seconds: float) -> None:
    """Count the CPU time of a process that worked for this one, and has not ended."""
    limits = _current.get()
    if limits is not None:
        limits.elsewhere += seconds


def seconds_left() -> float | None:
    """CPU time that is left, for a process that is to work for this one; None for any."""
    limits = _current.get()
    if limits is None or limits.seconds is None:
        return None
    return max(limits.seconds - limits.used(), 0.0)


def memory_allowed() -> int | None:
    """Bytes that a process may take that works for this one; None for any."""
    limits = _current.get()
    return None if limits is None or limits.memory is None else limits.memory + limits.size


def out_of_time() -> None:
    """Raise as `step` does, for a process that was ended since it took all CPU time that was left."""
    limits = _current.get()
    if limits is not None and limits.seconds is not None:
        limits.refuse_time()


def _cpu_time() -> float:
    """CPU time in seconds of this process, and of those that it started and that have ended."""
    seconds = time.process_time()
    with suppress(ImportError):
        import resource

        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds += ended.ru_utime + ended.ru_stime
    return seconds


def _memory() -> int:
    """Bytes that this process holds, but for mapped files; else the most it ever held; else 0."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        pass
    with suppress(ImportError):
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return 0
