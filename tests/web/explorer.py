"""The explorer in a process of its own, and a client that speaks HTTP as a browser does."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def links(self) -> list[str]:
        """The addresses in it, of pages, pictures and files."""
        return [each.replace("&amp;", "&") for each in re.findall(r'(?:href|src)="([^"#]+)', self.text)]


class Explorer:
    """A running explorer.

    Attributes
    ----------
    url
        What it printed.
    cookie
        The cookie in exchange for the token.
    """

    temporary: Path

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.cookie = ""
        self.cookie = self.get(f"/?{parts.query}").headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str, **headers: str | None) -> Answer:
        """GET with the cookie; headers with underscores for hyphens, None leaves one out."""
        return self.send("GET", path, **headers)

    def get_whole(self, path: str) -> Answer:
        """GET a page until its results are part of it, as they are on a machine that is not busy."""
        for _ in range(100):
            answer = self.get(path)
            if b"Searching" not in answer.body:
                break
        return answer

    @property
    def csrf(self) -> str:
        """The token of forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/maps").text)
        assert found is not None
        return found[1]

    def post(
        self, path: str, fields: dict[str, str], *, csrf: str | None = None, **headers: str | None
    ) -> Answer:
        """Send a form as a page of the explorer does."""
        token = self.csrf if csrf is None else csrf
        body = urlencode({**fields, "csrf": token}).encode()
        return self.send("POST", path, body, Content_Type="application/x-www-form-urlencoded", **headers)

    def upload(
        self, content: bytes, name: str = "picture.png", *, address: str = "", csrf: str | None = None
    ) -> Answer:
        """Upload a picture on the page of maps."""
        token = self.csrf if csrf is None else csrf
        fields = [("csrf", None, token.encode()), ("address", None, address.encode())]
        kind, body = multipart([*fields, ("file", name, content)])
        return self.send("POST", "/maps", body, Content_Type=kind)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str | None) -> Answer:
        given = {"Host": f"{self.host}:{self.port}", "Cookie": self.cookie}
        if body is not None:
            given |= {"Origin": f"http://{self.host}:{self.port}", "Content-Length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def stop(self) -> tuple[int, str]:
        """Interrupt it as Ctrl-C does; its exit code and what else it said."""
        self.process.send_signal(signal.SIGINT)
        said, errors = self.process.communicate(timeout=30)
        return self.process.returncode, said + errors


def multipart(parts: list[tuple[str, str | None, bytes]]) -> tuple[str, bytes]:
    """The type and the body of a form: fields, and files that have a name of their own."""
    body = b""
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += f'--limit\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return "multipart/form-data; boundary=limit", body + b"--limit--\r\n"


@contextmanager
def exploring(catalog: Path, *options: str, **variables: str) -> Iterator[Explorer]:
    """The explorer on a catalog, with options of `serve` and environment variables."""
    command = [sys.executable, "-m", "filterkit", "serve", "--catalog", str(catalog), "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=catalog.parent,
        env={**os.environ, **variables},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise AssertionError(process.communicate(timeout=30)[1])
        yield Explorer(process, line)
    finally:
        process.kill()
        process.communicate()
