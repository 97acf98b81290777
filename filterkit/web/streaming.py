"""Responses that begin before their end is known: pages that are filled in, and rows of whole catalogs."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

Endpoint = Callable[[Request], Awaitable[Response]]

PATIENCE = 0.2
"""How long a page waits for its results, in seconds, before it is sent without them."""

MARK = "<!-- results -->"
"""In templates of pages that are filled in: where the results begin."""
MAIN = '<main id="content" tabindex="-1">'
"""Where the content of any other page begins, e.g. of an error."""
PENDING = '<p class="pending" role="status">Searching…</p>\n'
"""Hidden by CSS as soon as something follows it."""

CHUNK = 1 << 16
MOST_CHUNKS = 8
"""Chunks that wait for the browser; then the writer waits, too."""
ERROR = "\n# the rows end here, because of an error: {}\n"
STALLED = 30
"""How long a browser may read nothing, in seconds."""


def filled_in(form: Endpoint, whole: Endpoint) -> Endpoint:
    """The page, at once if it takes long: up to its results, which follow when they are there.

    Parameters
    ----------
    form
        The page with its form and without results.
    whole
        The page, or another one about an error.
    """

    async def endpoint(request: Request) -> Response:
        if "format" in request.query_params:
            return await whole(request)
        job = asyncio.ensure_future(whole(request))
        try:
            if (await asyncio.wait([job], timeout=PATIENCE))[0]:
                return job.result()
            first = await form(request)
            head, mark, _ = _text(first).partition(MARK)
            if job.done() or first.status_code != 200 or not mark:
                return await job
        except BaseException:
            job.cancel()
            raise
        return StreamingResponse(_parts(head, job), 200, dict(_lasting(first)), "text/html")

    return endpoint


async def _parts(head: str, job: asyncio.Future[Response]) -> AsyncIterator[str]:
    try:
        yield head + PENDING
        text = _text(await job)
        _, mark, rest = text.partition(MARK)
        yield rest if mark else text.partition(MAIN)[2]
    finally:
        job.cancel()  # the browser may be gone


def _text(response: Response) -> str:
    return bytes(response.body).decode("utf-8")


def _lasting(response: Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.headers.items() if name not in ("content-length",)]


class Chunks(io.TextIOBase):
    """A text stream that a worker writes to, and that a response sends while it is written."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(MOST_CHUNKS)
        self._is_gone = False
        self._pending: list[str] = []
        self._length = 0
        self.begun = asyncio.Event()

    def write(self, text: str, /) -> int:
        """Raise BrokenPipeError if nobody reads any longer."""
        self._pending.append(text)
        self._length += len(text)
        if self._length >= CHUNK:
            self._send()
        return len(text)

    def _send(self) -> None:
        if not self._room.acquire(timeout=STALLED) or self._is_gone:
            raise BrokenPipeError("nobody reads the response")
        text = "".join(self._pending)
        self._pending, self._length = [], 0
        self._loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str | None) -> None:
        self._queue.put_nowait(text)
        self.begun.set()

    def rest(self) -> str:
        """What was written and not sent yet."""
        return "".join(self._pending)

    async def sent(self, job: asyncio.Future[Response]) -> AsyncIterator[str]:
        """What is written until `job` is done."""
        job.add_done_callback(lambda job: self._queue.put_nowait(None))
        try:
            while (text := await self._queue.get()) is not None:
                self._room.release()
                yield text
            response = await job
            yield self.rest() if response.status_code == 200 else ERROR.format(_text(response))
        finally:
            self._is_gone = True
            job.cancel()
            self._room.release()  # for a writer that waits


async def as_written(request: Request, write: Endpoint, headers: Mapping[str, str]) -> Response:
    """The response of `write`, which writes to ``request.state.chunks``: sent while it is being written.

    An error after the beginning ends the rows with a line about it, which makes JSON invalid.
    """
    chunks = request.state.chunks = Chunks()
    job = asyncio.ensure_future(write(request))
    begun = asyncio.ensure_future(chunks.begun.wait())
    try:
        await asyncio.wait([job, begun], return_when=asyncio.FIRST_COMPLETED)
        if not chunks.begun.is_set():
            return job.result()
    except BaseException:
        job.cancel()
        raise
    finally:
        begun.cancel()
    return StreamingResponse(chunks.sent(job), 200, headers)
