"""The threads that work for the explorer, each with a workbench of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from time import monotonic
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


async def wait(
    request: Request, future: Future[Any], is_stopping: Callable[[], bool], seconds: float | None = None
) -> bool:
    """Whether a future is done; a wait ends after `seconds`, None for no limit.

    Raises
    ------
    BusyError
        The server is stopping.
    GoneError
        The browser closed the connection.
    """
    result = asyncio.shield(asyncio.wrap_future(future))
    result.add_done_callback(_retrieve)
    end = None if seconds is None else monotonic() + seconds
    while not (await asyncio.wait([result], timeout=LOOK))[0]:
        if is_stopping():
            raise BusyError("the server was stopped", hint="start `filterkit serve` again")
        if await request.is_disconnected():
            raise GoneError
        if end is not None and monotonic() > end:
            return False
    if future.cancelled():
        raise BusyError("the server was stopped", hint="start `filterkit serve` again")
    return True


class OpenCatalog:
    """A workbench that stays open, and is opened again if the file of the catalog is another one."""

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry | None = None,
        *,
        progress: Any = False,
        stop: Callable[[], bool] | None = None,
        workbench: type[Workbench] = Workbench,
    ) -> None:
        self._open = partial(workbench, catalog, progress=progress, registry=registry, stop=stop)
        self._bench: Workbench | None = None
        self._file: tuple[int, int] | None = None

    def bench(self) -> Workbench:
        """The workbench; it sees what other processes have written."""
        if self._bench is None:
            self._bench = self._open()
        file = None
        with suppress(OSError):
            status = self._bench.path.stat()
            file = status.st_dev, status.st_ino
        if self._file not in (None, file):
            self._bench.close()  # it opens the new file on its next use
        self._file = file
        return self._bench

    def close(self) -> None:
        if self._bench is not None:
            self._bench.close()


class Worker:
    """A thread that runs one job at a time on a workbench that stays open."""

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry,
        *,
        workbench: type[Workbench] = Workbench,
    ) -> None:
        self._catalog = OpenCatalog(catalog, registry, workbench=workbench, stop=self._is_unwanted)
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[Workbench], Any]] | None] = SimpleQueue()
        # A daemon, as nothing can interrupt a job, and Ctrl-C should not wait for a long one.
        self._thread = threading.Thread(target=self._work, name="filterkit", daemon=True)
        self._thread.start()
        self._waiting = 0
        self._is_stopping = False
        self._unwanted = threading.Event()

    def _is_unwanted(self) -> bool:
        """Whether nobody waits any longer for what the workbench does."""
        return self._is_stopping or self._unwanted.is_set()

    async def run(self, request: Request, job: Callable[[Workbench], T]) -> T:
        """The result of a job, which is not begun, or ends early, if the browser no longer waits for it.

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
        unwanted = threading.Event()

        def stoppable(bench: Workbench) -> T:
            self._unwanted = unwanted
            try:
                return job(bench)
            except KeyboardInterrupt:  # from `_is_unwanted`
                raise GoneError from None

        future: Future[T] = Future()
        try:
            self._jobs.put((future, stoppable))
            await wait(request, future, lambda: self._is_stopping)
            return future.result()
        finally:
            self._waiting -= 1
            future.cancel()  # without effect once it runs
            unwanted.set()  # without effect once it is done

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
                    future.set_result(job(self._catalog.bench()))
                except BaseException as error:
                    future.set_exception(error)
            del item, future, job
        self._catalog.close()


def _retrieve(result: asyncio.Future[Any]) -> None:
    """Look at an error for which no browser waits any longer, or asyncio would log it."""
    if not result.cancelled():
        result.exception()
