"""Limits on the CPU time and memory for adding a model, checked between steps.

Code that works on a model announces each step with `step`, at any depth: opening a graph, computing a
constant, measuring a layer. The limits therefore belong to the context (`contextvars`), which `limited`
opens, and are not a parameter of every function in between; without limits, `step` does nothing. A single
step is not interrupted, and no limit is set on the process itself, which may be a notebook.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from filterkit.errors import ModelError, UsageError, one_line

INTERVAL = 0.01
"""Minimum time between checks in seconds: a check takes microseconds, as long as a short step."""

LONGEST = 200
"""Limit on the characters of a step in a message, as names in a model can be of any length."""


class Exceeded(ModelError):
    """Work on a model exceeded a limit; the message names the last step."""


@dataclass
class _Limits:
    """The limits, and what has been used since they were set.

    Attributes
    ----------
    subject
        What is being worked on, for messages.
    seconds, memory
        Limits on CPU time and bytes; None for no limit.
    size
        The model's own size in bytes, as far as it is known.
    elsewhere
        CPU time in seconds of worker processes that are still running.
    doing
        The step that began last: a template and its arguments.
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
        """Raise Exceeded if a limit is exceeded."""
        if self.seconds is not None and self.used() > self.seconds:
            self.refuse_time()
        if self.memory is not None and _memory() - self.memory_before > self.memory + self.size:
            self.refuse(f"{show_size(self.memory)} of memory beyond its own size", "--memory")
        self.next_look = time.monotonic() + INTERVAL

    def used(self) -> float:
        return _cpu_time() - self.cpu_before + self.elsewhere

    def refuse_time(self) -> NoReturn:
        self.refuse(f"{self.seconds:g} seconds of CPU time", "--timeout")

    def refuse(self, limit: str, option: str) -> NoReturn:
        template, names = self.doing
        last = one_line(template.format(*names)[:LONGEST])
        raise Exceeded(
            f"{self.subject} took more than {limit}; the last step was {last}",
            hint=f"allow more with {option}",
        )


_current: ContextVar[_Limits | None] = ContextVar("filterkit_limits", default=None)


@contextmanager
def limited(subject: str, seconds: float | None, memory: int | None) -> Iterator[None]:
    """Limit the CPU time in seconds and the memory in bytes of the enclosed code; None for no limit.

    CPU time includes all threads of this process and its worker processes. Memory is the increase in the
    resident memory of this process, without mapped files. If the system does not report the current value,
    the peak is used; Windows reports neither.

    Parameters
    ----------
    subject
        What is being worked on, for messages.

    Raises
    ------
    UsageError
        A limit is not positive.
    Exceeded
        Raised by `step` when a limit is exceeded.
    """
    for name, limit in (("timeout", seconds), ("memory", memory)):
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} must be positive, not {limit:g}", hint="use None for no limit")
    seconds = None if seconds == math.inf else seconds
    token = _current.set(_Limits(one_line(subject[:200]), seconds, memory))
    try:
        yield
    finally:
        _current.reset(token)


def step(doing: str, *names: object) -> None:
    """Announce the next step, and raise if the work so far has exceeded a limit.

    Parameters
    ----------
    doing
        Description for messages, e.g. ``"computing node '{0.name}'"``.
    names
        Its arguments for `str.format`, which is called only for a message.

    Raises
    ------
    Exceeded
        More CPU time or memory was used than is allowed. The message names the previous step.
    """
    limits = _current.get()
    if limits is not None:
        if time.monotonic() >= limits.next_look:
            limits.look()
        limits.doing = (doing, names)


def look() -> None:
    """Check the limits now, as `step` does at intervals: for the end of the work."""
    limits = _current.get()
    if limits is not None:
        limits.look()


def allow(size: int) -> None:
    """Raise the memory limit by the size of a model in bytes."""
    limits = _current.get()
    if limits is not None:
        limits.size += size


def charge(seconds: float) -> None:
    """Add the CPU time of a worker process that is still running."""
    limits = _current.get()
    if limits is not None:
        limits.elsewhere += seconds


def seconds_left() -> float | None:
    """Remaining CPU time for a worker process; None for no limit."""
    limits = _current.get()
    if limits is None or limits.seconds is None:
        return None
    return max(limits.seconds - limits.used(), 0.0)


def memory_allowed() -> int | None:
    """Memory limit for a worker process in bytes; None for no limit."""
    limits = _current.get()
    return None if limits is None or limits.memory is None else limits.memory + limits.size


def out_of_time() -> None:
    """Raise Exceeded for a worker process that was ended after using all remaining CPU time."""
    limits = _current.get()
    if limits is not None and limits.seconds is not None:
        limits.refuse_time()


def _cpu_time() -> float:
    """CPU time in seconds of this process and its finished children."""
    seconds = time.process_time()
    with suppress(ImportError):
        import resource

        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds += ended.ru_utime + ended.ru_stime
    return seconds


def _memory() -> int:
    """Resident memory of this process in bytes without mapped files; else its peak; else 0."""
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


PATTERN = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
STEPS = "kmgt"


def parse_size(text: str) -> int:
    """The number of bytes: ``64MB`` is 64,000,000, ``64MiB`` is 67,108,864, ``64`` is 64.

    Raises
    ------
    UsageError
        `text` is not a size, or less than one byte.
    """
    found = PATTERN.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(f"'{text[:40]}' is not a size in bytes", hint="use e.g. 64MB or 1.5GiB")
    step = STEPS.index(found[2].lower()) + 1 if found[2] else 0
    size = int(float(found[1]) * (1024 if found[3] else 1000) ** step)
    if size < 1:
        raise UsageError(f"'{text[:40]}' is less than one byte", hint="use e.g. 64MB or 1.5GiB")
    return size


def show_size(size: int) -> str:
    """Format a size in the largest unit of which there is at least one: ``1 MB``, ``999 bytes``, ``8 GiB``.

    Binary units are used if that gives a short number.
    """
    for base, infix in ((1024, "i"), (1000, "")):
        step = next((step for step in range(len(STEPS), 0, -1) if size >= base**step), 0)
        if step and (base == 1000 or (size / base**step * 8).is_integer()):
            prefix = STEPS[step - 1].upper() if infix else "kMGT"[step - 1]
            return f"{size / base**step:.6g} {prefix}{infix}B"
    return f"{size} bytes"
