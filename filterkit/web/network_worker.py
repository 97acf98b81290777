"""The process that runs networks for the explorer, with a workbench of its own.

    python -P -m filterkit.web.network_worker MEMORY [CATALOG]

Messages are pickled. On stdin: ``("job", number, name, arguments)`` or ``("stop", number)``. On stdout:
``("progress", number, what, done, total)``, ``("done", number, result)`` or
``("failed", number, kind, message, hint)``. The process ends when stdin is closed, whatever it does.
"""

from __future__ import annotations

import _thread
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from filterkit.errors import FilterkitError, ImageError, NotFoundError, UsageError
from filterkit.web.network_jobs import JOBS
from filterkit.web.workers import OpenCatalog

TOO_LARGE = 77
"""The exit code of a process that needed more memory than it may have."""

LOOK = 0.2
"""How often memory is measured, in seconds."""

REPORT = 0.1
"""How often progress is sent, in seconds."""

KINDS: tuple[tuple[str, type[FilterkitError]], ...] = (
    ("usage", UsageError),
    ("missing", NotFoundError),
    ("picture", ImageError),
    ("other", FilterkitError),
)
"""Kinds of errors, of which the first that fits is sent."""

Message = tuple[Any, ...]


def main() -> None:
    memory, *catalog = sys.argv[1:]
    requests, responses = _pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # if the system runs out of memory, this process is the one to end
        Path("/proc/self/oom_score_adj").write_text("1000")
    threading.Thread(target=_watch, args=(int(memory),), daemon=True).start()
    _Worker(catalog[0] if catalog else None, requests, responses).run()


class _Worker:
    """Runs the jobs that arrive, one at a time."""

    def __init__(self, catalog: str | None, requests: BinaryIO, responses: BinaryIO) -> None:
        self._catalog = OpenCatalog(catalog, progress=self._report)
        self._requests, self._responses = requests, responses
        self._jobs: SimpleQueue[Message] = SimpleQueue()
        self._lock = threading.Lock()
        self._running: int | None = None
        self._reported = 0.0

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            _, number, name, arguments = self._jobs.get()
            self._send(*self._outcome(number, name, arguments))

    def _outcome(self, number: int, name: str, arguments: dict[str, Any]) -> Message:
        failure: FilterkitError
        try:
            with self._lock:
                self._running = number
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                result = JOBS[name](self._catalog.bench(), **arguments)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                with self._lock:
                    self._running = None
            return "done", number, result
        except KeyboardInterrupt:
            failure = FilterkitError("cancelled")
        except FilterkitError as error:
            failure = error
        except MemoryError:
            failure = FilterkitError("there is not enough memory", hint="use a smaller picture or layer")
        except Exception as error:
            words = " ".join(str(error).split())[:300] or "no message"
            hint = "this is a bug in filterkit or in a plugin"
            failure = FilterkitError(f"unexpected {type(error).__name__}: {words}", hint=hint)
        kind = next(kind for kind, one in KINDS if isinstance(failure, one))
        return "failed", number, kind, failure.message, failure.hint

    def _report(self, what: str, done: float, total: float | None) -> None:
        """Send progress now and then; a message so short is written at once or not at all."""
        if self._running is not None and time.monotonic() - self._reported > REPORT:
            self._reported = time.monotonic()
            self._send("progress", self._running, str(what)[:200], float(done), total)

    def _send(self, *message: Any) -> None:
        with suppress(OSError):  # nobody reads any longer: this process is about to end
            self._responses.write(pickle.dumps(message))
            self._responses.flush()

    def _read(self) -> None:
        """Queue the jobs, and interrupt the one that is to stop."""
        while True:
            try:
                message = pickle.load(self._requests)
            except (EOFError, OSError, pickle.UnpicklingError):
                os._exit(0)
            if message[0] == "job":
                self._jobs.put(message)
            else:
                with self._lock:
                    if self._running == message[1]:
                        _thread.interrupt_main()


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Files for messages; what plugins and libraries print goes nowhere."""
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    return requests, responses


def _watch(memory: int) -> None:
    """End the process if it needs more memory than it may have, where the system says how much it needs."""
    page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    while page:
        try:
            _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
        except OSError:
            return
        if (int(resident) - int(shared)) * page > memory:
            os._exit(TOO_LARGE)
        time.sleep(LOOK)


if __name__ == "__main__":
    main()
