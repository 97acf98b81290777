"""The threads that work for the explorer, each with a workbench of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from filterkit.errors import FilterkitError
from filterkit.workbench import Workbench

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.registry import Registry

T = TypeVar("T")
LONGEST_QUEUE = 200
"""Limit on the requests that wait for one worker; a page has fewer pictures."""

LOOK = 0.25
"""How often is looked whether the browser still waits, in seconds."""

LAST_JOB = 2
"""How long the current job may take when the server ends, in seconds."""


class BusyError(FilterkitError):
    """Too many requests are waiting."""


class GoneError(Exception):
    """The browser no longer waits for the response."""


class Worker:
    """A thread that runs one job at a time on a workbench that stays open.

    Each job sees what other processes have written since the last one. If the file of the catalog is another
    one, it is opened again.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry,
        workbench: type[Workbench] = Workbench,
    ) -> None:
        self._catalog, self._registry, self._workbench = catalog, registry, workbench
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[Workbench], Any]] | None] = SimpleQueue()
        # A daemon, as nothing can interrupt a job, and Ctrl-C should not wait for a long one.
        self._thread = threading.Thread(target=self._work, name="filterkit", daemon=True)
        self._thread.start()
        self._bench: Workbench | None = None
        self._file: tuple[int, int] | None = None
        self._waiting = 0
        self._is_stopping = False

    async def run(self, request: Request, job: Callable[[Workbench], T]) -> T:
        """The result of a job; it is not begun if the browser no longer waits for it.

        Raises
        ------
        BusyError
            Too many jobs are waiting, or the server is stopping.
        GoneError
            The browser closed the connection.
        """
        if self._waiting >= LONGEST_QUEUE:
            raise BusyError("too many requests are waiting", hint="reload the page in a moment")
        self._waiting += 1
        try:
            future: Future[T] = Future()
            self._jobs.put((future, job))
            result = asyncio.wrap_future(future)
            result.add_done_callback(_retrieve)
            while not (await asyncio.wait([result], timeout=LOOK))[0]:
                if self._is_stopping:
                    future.cancel()
                    raise BusyError("the server was stopped", hint="start `filterkit serve` again")
                if await request.is_disconnected():
                    future.cancel()
                    raise GoneError
            return result.result()
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Let no request wait any longer."""
        self._is_stopping = True

    def close(self) -> None:
        """Drop what is waiting, and close the workbench; a job that takes longer ends with the process."""
        self.stop()
        self._jobs.put(None)
        self._thread.join(LAST_JOB)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if self._is_stopping:
                future.cancel()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job(self._opened()))
                except BaseException as error:
                    future.set_exception(error)
            del item, future, job
        if self._bench is not None:
            self._bench.close()

    def _opened(self) -> Workbench:
        if self._bench is None:
            self._bench = self._workbench(self._catalog, progress=False, registry=self._registry)
        file = None
        with suppress(OSError):
            status = self._bench.path.stat()
            file = status.st_dev, status.st_ino
        if self._file not in (None, file):
            self._bench.close()  # it opens the new file on its next use
        self._file = file
        return self._bench


def _retrieve(result: asyncio.Future[Any]) -> None:
    """Look at an error for which no browser waits any longer, or asyncio would log it."""
    if not result.cancelled():
        result.exception()
