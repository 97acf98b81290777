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
from urllib.parse import urlsplit


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

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.cookie = ""
        self.cookie = self.get(f"/?{parts.query}").headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str, **headers: str | None) -> Answer:
        """GET with the cookie; headers with underscores for hyphens, None leaves one out."""
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, **headers: str | None) -> Answer:
        given = {"Host": f"{self.host}:{self.port}", "Cookie": self.cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def stop(self) -> tuple[int, str]:
        """Interrupt it as Ctrl-C does; its exit code and what else it said."""
        self.process.send_signal(signal.SIGINT)
        said, errors = self.process.communicate(timeout=30)
        return self.process.returncode, said + errors


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
