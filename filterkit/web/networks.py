"""What runs a network: one job at a time, in a process of its own, with a short queue."""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, ImageError, NotFoundError, UsageError
from filterkit.web.network_process import ENDED, NetworkProcess
from filterkit.web.workers import BusyError, GoneError, wait

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_WAITING = 8
"""Limit on the jobs that wait for the one that runs."""

LONGEST = 900.0
"""How long a job may take, in seconds."""

ABANDONED = 75.0
"""After how many seconds a job is cancelled whose page no longer asks about it.

Browsers let pages in the background do something only once a minute.
"""

GRACE = 3.0
"""How long a job may take to stop, in seconds, before its process is killed."""

IDLE = 300.0
"""After how many seconds without a job the process is ended, which holds networks in memory."""

LOOK = 0.1
"""How often is looked whether a job should stop, in seconds."""

REMEMBERED = 60.0
"""For how many seconds a failed job is not begun again by a page that is only reloaded."""

MOST_KEPT, MOST_BYTES = 32, 64 << 20
"""Limits on the results that stay in memory: their number, and the size of their pictures."""

MEMORY = 8 << 30
"""Limit on the memory of the process, and 3/4 of that of the computer, in bytes."""

ERRORS: Mapping[str, type[FilterkitError]] = {
    "usage": UsageError,
    "missing": NotFoundError,
    "picture": ImageError,
}


WARM = "warm"
"""The key of the job that only starts the process."""


class CancelledError(FilterkitError):
    """A job was cancelled."""


@dataclass(eq=False)
class Job:
    """A request to run a network.

    Attributes
    ----------
    name, arguments
        Which of `network_jobs.JOBS`, and what it gets.
    page
        The page that leads on after it was cancelled.
    id
        A random name for URLs.
    future
        Its result, a dictionary; ``"pictures"`` are PNGs by name.
    what, done, total
        Progress.
    asked
        When somebody asked about it last.
    """

    name: str
    arguments: dict[str, Any]
    page: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    future: Future[dict[str, Any]] = field(default_factory=Future)
    what: str = "waiting"
    done: float = 0.0
    total: float | None = None
    asked: float = field(default_factory=monotonic)
    waiting: int = 0
    is_running: bool = False
    is_cancelled: bool = False
    ended: float | None = None

    @property
    def is_done(self) -> bool:
        return self.future.done()

    @property
    def error(self) -> FilterkitError | None:
        """Why it failed; None if it has not."""
        found = self.future.exception() if self.is_done else None
        return found if isinstance(found, FilterkitError) else None

    @property
    def is_old(self) -> bool:
        """Whether it was done some time ago."""
        return self.ended is not None and monotonic() - self.ended > REMEMBERED

    @property
    def result(self) -> dict[str, Any] | None:
        return self.future.result() if self.is_done and self.error is None else None

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(map(len, (self.result or {}).get("pictures", {}).values()))


class Networks:
    """Runs jobs in a process that is started for the first one, and again after it has ended."""

    def __init__(self, catalog: str | os.PathLike[str] | None, memory: int | None = None) -> None:
        self._catalog, self._memory = catalog, memory or _memory()
        self._lock = threading.Lock()
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._process: NetworkProcess | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="filterkit-jobs", daemon=True)
        self._thread.start()

    def begin(
        self, key: Hashable, name: str, arguments: dict[str, Any], page: str, *, again: bool = False
    ) -> Job:
        """The job of this key, which is begun unless it runs or has a result.

        One that failed lately is begun only `again`.

        Raises
        ------
        BusyError
            Too many jobs are waiting.
        """
        with self._lock:
            found = self._jobs.get(key)
            if found is not None and not found.is_cancelled and not (found.error and (again or found.is_old)):
                found.asked = monotonic()
                self._jobs.move_to_end(key)
                return found
            if sum(not job.is_done for job in self._jobs.values()) > MOST_WAITING:
                raise BusyError(
                    "too many networks are waiting to run", hint="cancel one, or reload the page in a moment"
                )
            job = self._jobs[key] = Job(name, arguments, page)
            self._jobs.move_to_end(key)
            self._evict()
        self._queue.put(job)
        return job

    def warm(self) -> None:
        """Start the process ahead of its first job, which otherwise has to wait for it."""
        if self.pid is None:
            with self._lock:
                self._jobs.pop(WARM, None)
            with suppress(BusyError):
                self.begin(WARM, "warm", {}, "/")

    def find(self, key: Hashable) -> Job | None:
        """The job of a key, if it is known."""
        with self._lock:
            found = self._jobs.get(key)
            if found is not None:
                found.asked = monotonic()
            return found

    def of_id(self, name: str) -> Job:
        """The job with this name in URLs.

        Raises
        ------
        NotFoundError
            There is none, or no longer.
        """
        with self._lock:
            for job in self._jobs.values():
                if secrets.compare_digest(job.id.encode(), name.encode()):
                    job.asked = monotonic()
                    return job
        raise NotFoundError("this result is no longer in memory", hint="reload the page that led here")

    def cancel(self, job: Job) -> None:
        """Stop a job, or let it not begin."""
        with self._lock:
            job.is_cancelled = True
            if not job.is_running and not job.is_done:
                job.future.set_exception(CancelledError("cancelled"))

    async def wait(self, request: Request, job: Job, seconds: float | None = None) -> None:
        """Wait until a job is done, at most `seconds`; it is cancelled if nobody waits for it any longer."""
        job.waiting += 1
        try:
            await wait(request, job.future, lambda: self._is_stopping, seconds)
        except GoneError:
            if job.waiting == 1:
                self.cancel(job)
            raise
        finally:
            job.waiting -= 1
            job.asked = monotonic()

    def stop(self) -> None:
        """Let no request wait any longer."""
        self._is_stopping = True

    def close(self) -> None:
        """End the process, whatever it does."""
        self.stop()
        self._queue.put(None)
        self._thread.join(GRACE)

    @property
    def pid(self) -> int | None:
        """The number of the process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.is_running else None

    def _evict(self) -> None:
        """Forget the oldest results beyond the limits."""
        done = [key for key, job in self._jobs.items() if job.is_done]
        size = sum(self._jobs[key].size for key in done)
        while done and (len(done) > MOST_KEPT or size > MOST_BYTES):
            size -= self._jobs.pop(done.pop(0)).size

    def _work(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=IDLE if self._process else None)
            except Empty:
                self._end_process()
                continue
            if job is None or self._is_stopping:
                break
            with self._lock:
                job.is_running = not job.is_done
            if not job.is_running:
                continue
            try:
                job.future.set_result(self._result(job))
            except BaseException as error:
                job.future.set_exception(error)
            with self._lock:
                job.is_running, job.ended = False, monotonic()
                job.arguments = {}  # which may hold a picture
                self._evict()
        self._end_process()

    def _result(self, job: Job) -> dict[str, Any]:
        """Run a job, and see to it that it stops when it should."""
        self._check(job, begun := monotonic())
        if self._process is None or not self._process.is_running:
            self._process = NetworkProcess(self._catalog, self._memory)
        process = self._process
        process.begin(job.name, job.arguments)
        job.what = "starting"
        reason: FilterkitError | None = None
        until = 0.0
        while True:
            message = process.receive(LOOK)
            if message is None:
                if reason is None:
                    try:
                        self._check(job, begun)
                    except FilterkitError as error:
                        reason, until = error, monotonic() + (0 if self._is_stopping else GRACE)
                        process.interrupt()
                elif monotonic() > until:
                    self._process = None
                    process.kill()
                    raise reason
            elif message is ENDED:
                self._process = None
                raise reason or process.why_ended()
            elif message[0] == "progress":
                _, job.what, job.done, job.total = message
            elif message[0] == "done":
                if reason is not None:
                    raise reason
                return dict(message[1])
            else:
                _, kind, words, hint = message
                raise reason or ERRORS.get(kind, FilterkitError)(words, hint=hint)

    def _check(self, job: Job, begun: float) -> None:
        """Raise an error if a job should not go on."""
        if job.is_cancelled or self._is_stopping:
            raise CancelledError("cancelled")
        if not job.waiting and monotonic() - job.asked > ABANDONED:
            raise CancelledError("cancelled, as its page was closed")
        if monotonic() - begun > LONGEST:
            raise FilterkitError(
                f"stopped after {LONGEST / 60:g} minutes",
                hint="run it on the command line, without this limit",
            )

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


def _memory() -> int:
    """How much memory the process may need, in bytes."""
    try:
        return min(MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4)
    except (AttributeError, OSError, ValueError):
        return MEMORY
