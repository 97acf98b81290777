"""Connections: how many, how slow, how large their headers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from explorer import Explorer, exploring

from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.web import client_limits
from filterkit.web.server import Server, _Uvicorn


def connected(explorer: Explorer) -> socket.socket:
    return socket.create_connection((explorer.host, explorer.port), timeout=60)


def head(explorer: Explorer, **headers: str) -> bytes:
    given = {"Host": f"{explorer.host}:{explorer.port}", "Cookie": explorer.cookie, **headers}
    lines = [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(["GET /static/style.css HTTP/1.1", *lines, "", ""]).encode()


@pytest.fixture
def hasty(classic_catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server that waits half a second for headers."""
    monkeypatch.setattr(client_limits, "HEADERS_WITHIN", 0.5)
    monkeypatch.setitem(client_limits.LIMITS, "timeout_keep_alive", 60)
    server = Server(classic_catalog, Registry(load_plugins(discover=False)), host="127.0.0.1", port=0)
    running: list[_Uvicorn] = []
    thread = threading.Thread(target=lambda: server.run(started=running.append))
    thread.start()
    try:
        parts = urlsplit(server.url)
        yield parts.hostname or "", parts.port or 0
    finally:
        running[0].should_exit = True
        thread.join(30)


def test_a_request_that_does_not_end_is_closed(hasty: tuple[str, int]) -> None:
    for sent in (b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: "):
        with socket.create_connection(hasty, timeout=60) as slow:
            slow.sendall(sent)
            assert slow.recv(1000) == b""


def test_the_second_request_of_a_connection_must_end_too(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty, timeout=60) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"</html>" not in answer:
            answer += slow.recv(1000)
        assert answer.startswith(b"HTTP/1.1 403")
        slow.sendall(b"GET / HT")
        assert slow.recv(1000) == b""


def test_a_byte_now_and_then_gains_no_time(hasty: tuple[str, int]) -> None:
    with socket.create_connection(hasty, timeout=0.2) as slow:
        for _ in range(300):
            try:
                slow.sendall(b"G")
                if slow.recv(10) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError("it was never closed")


def test_headers_have_a_limit(classic: Explorer) -> None:
    limit = client_limits.LARGEST_HEADERS
    for size, end, expected in ((limit // 2, None, b"200"), (2 * limit, -4, b"400")):
        with connected(classic) as connection:
            connection.sendall(head(classic, X="x" * size)[:end])  # without an end, so that all is kept
            assert connection.recv(1000).split(b" ")[1] == expected


def test_connections_have_a_limit(classic_catalog: Path) -> None:
    with exploring(classic_catalog) as explorer, ExitStack() as stack:
        many = [stack.enter_context(connected(explorer)) for _ in range(client_limits.MOST - 2)]
        with connected(explorer) as last:
            last.sendall(head(explorer, Connection="close"))
            assert last.recv(100).split(b" ")[1] == b"200"
        many += [stack.enter_context(connected(explorer)) for _ in range(4)]
        many[-1].sendall(head(explorer))
        assert many[-1].recv(100).split(b" ")[1] == b"503"
        for each in many:
            each.close()
        assert explorer.get("/").status == 200
        assert explorer.stop() == (130, "interrupted\n")
