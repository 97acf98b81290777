"""The server of the explorer: one socket, one process, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import uvicorn

from filterkit.errors import FilterkitError, UsageError
from filterkit.web.application import application
from filterkit.web.client_limits import LIMITS, Connection
from filterkit.web.security import Guard

if TYPE_CHECKING:
    from types import FrameType

    from filterkit.plugins.registry import Registry
    from filterkit.web.networks import Networks
    from filterkit.web.workers import Worker

BACKLOG = 128
SHUTDOWN = 2
"""How long responses may take after Ctrl-C, in seconds."""


class Server:
    """Listens at once, so that its address can be opened; `run` serves until Ctrl-C.

    Parameters
    ----------
    catalog
        As for `Workbench`.
    host
        A name or an address of this computer.
    port
        0 chooses a free one.
    allow_changes
        Whether models can be added and removed.

    Attributes
    ----------
    url
        The address to open, with the token.
    is_local
        Whether only this computer can connect.

    Raises
    ------
    UsageError
        `host` is not a name or an address of this computer.
    FilterkitError
        The port is not free, or may not be used.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry,
        *,
        host: str,
        port: int,
        allow_changes: bool = False,
    ) -> None:
        self._socket, self.is_local = _listen(host, port)
        address, number = self._socket.getsockname()[:2]
        self._application = application(catalog, registry, allow_changes=allow_changes)
        self._guard = Guard(self._application, names={host.lower(), address}, port=number)
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, host)  # a browser needs a single address
        name = f"[{shown}]" if ":" in shown else shown
        self.url = f"http://{name}:{number}/?token={self._guard.token}"

    def run(self, started: Callable[[_Uvicorn], object] | None = None) -> None:
        """Serve until the process is interrupted.

        Parameters
        ----------
        started
            Called with the server of uvicorn, which can stop it from another thread.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C, after the last response.
        """
        # Requests are not logged: their addresses may contain the token.
        config = uvicorn.Config(
            self._guard,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # a client that speaks no HTTP, or asks for a websocket, is none
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whose values a client on this computer could choose
            timeout_graceful_shutdown=SHUTDOWN,
            **LIMITS,
        )
        state = self._application.state
        server = _Uvicorn(config, [*state.workers.values(), state.networks])
        if started is not None:
            started(server)
        try:
            server.run(sockets=[self._socket])
        finally:
            self.close()
        if server.is_interrupted:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Stop listening, and close the workbenches."""
        self._socket.close()
        self._application.state.networks.close()
        for worker in self._application.state.workers.values():
            worker.close()


class _Uvicorn(uvicorn.Server):
    """Answers the requests that wait for a worker when it is stopped, instead of cancelling them later."""

    def __init__(self, config: uvicorn.Config, workers: Iterable[Worker | Networks]) -> None:
        super().__init__(config)
        self._workers = workers
        self.is_interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn raises the signal again, which has no effect if the shell ignored it, as in `serve &`.
        self.is_interrupted |= sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for worker in self._workers:
            worker.stop()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> tuple[socket.socket, bool]:
    """A listening socket, and whether it is bound to loopback."""
    from ipaddress import ip_address

    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"'{host}' is not a host", hint="an address of this computer, e.g. 127.0.0.1"
        ) from error
    # With the protocol named, asyncio disables Nagle's algorithm, which delays small responses by 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # where it would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        raise FilterkitError(
            f"cannot listen on port {port} of {host}: {error.strerror or error}",
            hint="--port 0 chooses a free port" if is_port else "an address of this computer, e.g. 127.0.0.1",
        ) from error
    return made, ip_address(made.getsockname()[0].partition("%")[0]).is_loopback
