"""The server: where it listens, what it says, how it ends."""

from __future__ import annotations

import os
import socket
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from explorer import Explorer, exploring

from filterkit.errors import FilterkitError, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.web.server import Server


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(load_plugins(discover=False))


def test_ctrl_c_ends_it_with_one_word(classic_catalog: Path) -> None:
    with exploring(classic_catalog) as explorer:
        assert explorer.get("/").status == 200
        code, said = explorer.stop()
    assert (code, said) == (130, "interrupted\n")


def test_it_ends_while_a_browser_is_connected(classic_catalog: Path) -> None:
    with (
        exploring(classic_catalog) as explorer,
        socket.create_connection((explorer.host, explorer.port)) as idle,
    ):
        idle.sendall(b"GET / HTTP/1.1\r\n")  # a request that never ends
        assert explorer.stop()[0] == 130


def test_it_ends_while_it_works(classic_catalog: Path) -> None:
    """The request is answered, nothing waits for its job, and nothing is said about it."""
    endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"
    with exploring(classic_catalog) as explorer, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(explorer.get, f"/sql?sql={quote(endless)}+--+{number}") for number in range(2)]
        time.sleep(1)
        assert explorer.stop() == (130, "interrupted\n")
        for each in asked:
            assert each.result().status in (200, 503)  # a page is sent up to its results, which follow
            assert "the server was stopped" in each.result().text
            assert "the server was stopped" in each.result().text


def test_clients_that_are_none_are_in_no_log(classic_catalog: Path) -> None:
    with exploring(classic_catalog) as explorer:
        explorer.get("/", Connection="Upgrade", Upgrade="websocket")
        for sent in (b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\r\n\r\n"):
            with socket.create_connection((explorer.host, explorer.port), timeout=30) as connection:
                connection.sendall(sent)
                connection.recv(100)
        assert explorer.stop() == (130, "interrupted\n")


def test_the_token_is_in_no_log(classic_catalog: Path) -> None:
    with exploring(classic_catalog) as explorer:
        token = explorer.url.partition("=")[2]
        for path in (f"/?token={token}", f"/nothing?token={token}x", f"/m/x?format={token}"):
            for method in ("GET", "POST"):
                explorer.send(method, path)
        with socket.create_connection((explorer.host, explorer.port)) as broken:
            broken.sendall(f"GET /?token={token} nonsense\r\n\r\n".encode())
            broken.recv(100)
        _, said = explorer.stop()
    assert token not in said
    assert explorer.cookie.partition("=")[2] not in said


def test_it_listens_on_loopback_alone(classic: Explorer) -> None:
    assert classic.host == "127.0.0.1"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", classic.port), timeout=5)


def test_small_responses_are_not_delayed(classic_catalog: Path, registry: Registry) -> None:
    server = Server(classic_catalog, registry, host="127.0.0.1", port=0)
    try:
        assert server._socket.proto == socket.IPPROTO_TCP  # for which asyncio sets TCP_NODELAY
        assert server.is_local
    finally:
        server.close()


def test_another_host(classic_catalog: Path) -> None:
    with exploring(classic_catalog, "--host", "0.0.0.0") as explorer:
        assert explorer.host == "127.0.0.1"
        assert explorer.get("/").status == 200
        assert explorer.get("/", Host=f"example.org:{explorer.port}").status == 403
        assert explorer.get("/", Host=f"0.0.0.0:{explorer.port}").status == 200
        _, said = explorer.stop()
    assert said.startswith("warning: other computers can connect to 0.0.0.0")


def test_a_host_that_is_none(classic_catalog: Path, registry: Registry) -> None:
    for host in ("no.such.host.invalid", "a" * 300):
        with pytest.raises(UsageError, match="is not a host"):
            Server(classic_catalog, registry, host=host, port=0)
    with pytest.raises(FilterkitError, match="cannot listen on port 0 of 203") as raised:
        Server(classic_catalog, registry, host="203.0.113.7", port=0)
    assert raised.value.hint == "an address of this computer, e.g. 127.0.0.1"


def test_a_port_that_is_taken(classic: Explorer, classic_catalog: Path, registry: Registry) -> None:
    with pytest.raises(FilterkitError, match=f"cannot listen on port {classic.port}") as raised:
        Server(classic_catalog, registry, host="127.0.0.1", port=classic.port)
    assert raised.value.hint == "--port 0 chooses a free port"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="such folders can be written there")
def test_read_only_catalogs(tmp_path: Path) -> None:
    import filterkit

    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    for path in (*tmp_path.rglob("*"), tmp_path):
        path.chmod(path.stat().st_mode & ~stat.S_IWUSR & ~stat.S_IWGRP & ~stat.S_IWOTH)
    try:
        with exploring(tmp_path / "catalog.db") as explorer:
            assert "classic" in explorer.get("/").text
    finally:
        for path in (tmp_path, *tmp_path.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_nothing_is_written(tmp_path: Path) -> None:
    import filterkit

    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with exploring(tmp_path / "catalog.db") as explorer:
        for path in ("/", "/m/classic"):
            explorer.get(path)
        explorer.stop()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {
        tmp_path / f"catalog.db{suffix}" for suffix in ("-wal", "-shm")
    }
