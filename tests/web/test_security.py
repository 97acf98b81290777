"""Who may send requests, over real connections; and the headers of all responses."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from explorer import Explorer, exploring

PATHS = ("/", "/?format=json", "/static/style.css", "/nothing", "/m/nothing")


def token_of(explorer: Explorer) -> str:
    return urlsplit(explorer.url).query


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_the_cookie(classic: Explorer, path: str) -> None:
    for cookie in (None, "", "filterkit=1", f"{classic.cookie}x", classic.cookie.partition("=")[0] + "="):
        refused = classic.get(path, Cookie=cookie)
        assert refused.status == 403
        assert "filterkit serve" in refused.text
        assert "classic" not in refused.text


def test_the_token_becomes_a_cookie_and_disappears(classic: Explorer) -> None:
    answer = classic.get(f"/?{token_of(classic)}", Cookie=None)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name == classic.cookie
    assert {each.lower() for each in attributes} == {"httponly", "path=/", "samesite=strict"}
    assert token_of(classic).partition("=")[2] not in name
    deep = classic.get(f"/m/classic?where=bias+%3D+0&{token_of(classic)}&page=2", Cookie=None)
    assert deep.headers["Location"] == "/m/classic?where=bias+%3D+0&page=2"


def test_the_token_leads_to_no_other_site(classic: Explorer) -> None:
    for path in ("//example.org/", "///example.org", "/%5Cexample.org", "/%2F%2Fexample.org"):
        location = classic.get(f"{path}?{token_of(classic)}", Cookie=None).headers["Location"]
        assert re.match(r"/[^/\\]", location), location


def test_another_token_is_none(classic: Explorer) -> None:
    for token in ("token=", "token", f"{token_of(classic)}x", token_of(classic)[:-1], "Token=1"):
        answer = classic.get(f"/?{token}", Cookie=None)
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


def test_the_token_and_the_cookie_are_new_each_time(classic_catalog: Path, classic: Explorer) -> None:
    with exploring(classic_catalog) as other:
        assert token_of(other) != token_of(classic)
        assert other.cookie.partition("=")[2] != classic.cookie.partition("=")[2]
        assert other.cookie.partition("=")[0] != classic.cookie.partition("=")[0]  # a browser keeps both
        assert other.get("/", Cookie=classic.cookie).status == 403
        assert other.get("/", Cookie=f"{classic.cookie}; {other.cookie}").status == 200


def test_the_host_must_be_the_servers_own(classic: Explorer) -> None:
    port = classic.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        assert classic.get("/", Host=host).status == 200
    for host in (
        *(None, "127.0.0.1", "localhost", f"127.0.0.1:{port + 1}", f"127.0.0.1.:{port}", f"[::1]:{port}"),
        *(f"example.org:{port}", f"localhost.example.org:{port}", f"127.0.0.2:{port}", f"LOCALHOST:{port}x"),
    ):
        refused = classic.get(f"/?{token_of(classic)}", Host=host)
        assert refused.status in ((400,) if host is None else (403,)), host
        assert "Set-Cookie" not in refused.headers


def test_two_hosts_are_refused(classic: Explorer) -> None:
    with socket.create_connection((classic.host, classic.port), timeout=30) as connection:
        hosts = f"Host: 127.0.0.1:{classic.port}\r\nHost: example.org\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\n{hosts}Cookie: {classic.cookie}\r\n\r\n".encode())
        assert connection.recv(100).split(b" ")[1] in (b"400", b"403")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_requests_of_other_sites_and_ports_are_refused(classic: Explorer, site: str) -> None:
    for path in PATHS:
        assert classic.get(path, Sec_Fetch_Site=site).status == 403
    for site in ("same-origin", "none"):
        assert classic.get("/", Sec_Fetch_Site=site).status == 200


def test_a_link_with_the_token_in_another_page_leads_on(classic: Explorer) -> None:
    answer = classic.get(
        f"/m/classic?sort=%22%3E&{token_of(classic)}", Cookie=None, Sec_Fetch_Site="cross-site"
    )
    assert answer.status == 200
    assert answer.headers["Set-Cookie"].startswith(classic.cookie)
    assert '<a href="/m/classic?sort=%22%3E">' in answer.text
    assert token_of(classic) not in answer.text


def test_only_pages_of_the_server_may_do_more_than_read(classic: Explorer) -> None:
    own = f"http://127.0.0.1:{classic.port}"
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for origin in (None, "null", "http://example.org", f"{own}0", own.replace("http", "https")):
            assert classic.send(method, "/", Origin=origin).status == 403
        assert classic.send(method, "/", Origin=own, Sec_Fetch_Site="same-site").status == 403
        assert classic.send(method, f"/?{token_of(classic)}", Origin=own, Cookie=None).status == 403
        for site in (None, "none", "same-site", "cross-site"):  # a frame of another site has no origin
            assert classic.send(method, "/", Origin="null", Sec_Fetch_Site=site).status == 403
        assert classic.send(method, "/", Origin="null", Sec_Fetch_Site="same-origin").status == 405
        assert classic.send(method, "/", Origin=own).status == 405  # as nothing can be changed


@pytest.mark.parametrize("path", [*PATHS, "/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
def test_every_response_has_the_headers(classic: Explorer, path: str) -> None:
    for answer in (classic.get(path), classic.get(path, Cookie=None), classic.send("HEAD", path)):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Server" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_path_leads_to_other_files(classic: Explorer) -> None:
    for path in (
        "../security.py",
        "%2e%2e/security.py",
        "..%2fsecurity.py",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
    ):
        assert classic.get(f"/static/{path}").status in (404, 405)


def test_a_websocket_is_refused(classic: Explorer) -> None:
    answer = classic.get("/", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13")
    assert answer.status != 101
