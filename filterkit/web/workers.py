"""The threads that work for the explorer, each with a workbench of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

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


class BusyError(FilterkitError):
    """Too many requests are waiting."""


class GoneError(Exception):
    """The browser no longer waits for the response."""


class Worker:
    """A thread that runs one job at a time on a workbench that stays open.

    Each job sees what other processes have written since the last one. If the file of the catalog is another
    one, it is opened again.
    """

    def __init__(self, catalog: str | os.PathLike[str] | None, registry: Registry) -> None:
        self._catalog, self._registry = catalog, registry
        self._thread = ThreadPoolExecutor(1, "filterkit")
        self._bench: Workbench | None = None
        self._file: tuple[int, int] | None = None
        self._waiting = 0

    async def run(self, request: Request, job: Callable[[Workbench], T]) -> T:
        """The result of a job; it is not begun if the browser no longer waits for it.

        Raises
        ------
        BusyError
            Too many jobs are waiting.
        GoneError
            The browser closed the connection.
        """
        if self._waiting >= LONGEST_QUEUE:
            raise BusyError("too many requests are waiting", hint="reload the page in a moment")
        self._waiting += 1
        try:
            future = self._thread.submit(lambda: job(self._opened()))
            result = asyncio.wrap_future(future)
            while not (await asyncio.wait([result], timeout=LOOK))[0]:
                if await request.is_disconnected():
                    future.cancel()
                    raise GoneError
            return result.result()
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Drop what is waiting, and close the workbench when the current job is done."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._bench is not None:
            self._bench.close()

    def _opened(self) -> Workbench:
        if self._bench is None:
            self._bench = Workbench(self._catalog, progress=False, registry=self._registry)
        file = None
        with suppress(OSError):
            status = self._bench.path.stat()
            file = status.st_dev, status.st_ino
        if self._file not in (None, file):
            self._bench.close()  # it opens the new file on its next use
        self._file = file
        return self._bench
