"""Connections to the server: how many there may be, and how slow a client may be."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN = 15.0
"""How long a request may take to arrive up to the end of its headers, in seconds."""

LINGER = 1.0
"""How long a client may go on sending after the response, in seconds, until it has read that."""

IDLE = 10
"""How long a connection may be idle after a response, in seconds."""

MOST = 256
"""Limit on connections; further ones get a response that says so. A browser opens six to a host."""

LARGEST_HEADERS = 32 << 10
"""Limit on the headers of a request in bytes."""

LIMITS: dict[str, Any] = {
    "timeout_keep_alive": IDLE,
    "limit_concurrency": MOST,
    "h11_max_incomplete_event_size": LARGEST_HEADERS,
}
"""Of `uvicorn.Config`."""


class Connection(H11Protocol):
    """A connection that is closed if a request does not arrive in time; uvicorn waits forever.

    Bodies have a time limit of their own (`forms.SLOWEST`); nothing but a form has one that is read.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Wait for headers from the first byte on, not from the last one; after a response uvicorn waits."""
        state = self.conn.their_state
        if state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete:
            seconds = LINGER  # uvicorn goes on reading a body that nobody wants
        elif state is h11.IDLE and self.timeout_keep_alive_task is None:
            seconds = HEADERS_WITHIN
        else:
            self._stop()
            return
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
