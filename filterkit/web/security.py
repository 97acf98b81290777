"""Who may send requests to the explorer, and the headers of its responses.

A page of any web site can send requests to a server on this computer, and other programs of this computer can
connect to it. So every request is checked before anything else sees it:

- its ``Host`` must be the server's own, or another site could rebind its name to this computer and read
  pages;
- a browser that says that another site sent it (``Sec-Fetch-Site``) is refused, as is ``same-site``: cookies
  are shared by all ports of a host, so a page of another local server would have ours;
- anything but reading needs the ``Origin`` of the server's own pages, and forms a token of this start;
- it needs the cookie, which only those get who know the token in the address that was printed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from html import escape
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response."""

READING = ("GET", "HEAD")
OWN_SITES = ("same-origin", "none")
"""Values of ``Sec-Fetch-Site`` of requests from our own pages, or from the address bar."""

REFUSED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Refused – filterkit</title></head>
<body><h1>Refused</h1><p>{reason}</p></body></html>"""

CONTINUE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>filterkit</title>
<meta http-equiv="refresh" content="0; url={path}"></head>
<body><p><a href="{path}">Continue to filterkit</a></p></body></html>"""

OPEN_IT = "Open the whole address that <code>filterkit serve</code> printed: it contains a token."
OTHER_SITE = "Another web site led here. If you followed a link, copy it into the address bar."


class Guard:
    """Passes on the requests that are allowed to an application, and answers all others.

    Parameters
    ----------
    names
        Host names by which the server may be called, besides the address at which it is reached.
    port
        The port of the server, which is part of the name of the cookie: a browser sends it to all ports.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str], port: int) -> None:
        self._app, self._names = app, names
        self.token = secrets.token_urlsafe(24)
        self._cookie, self._value = f"filterkit-{port}", secrets.token_urlsafe(24)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = self._answer(scope)
            await (answer or self._app)(scope, receive, _with_headers(send))
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _answer(self, scope: Scope) -> Response | None:
        """The response to a request that may not pass; None for all others."""
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts(scope)]:
            return _refused("This server has another name. " + OPEN_IT)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        own = headers.get("sec-fetch-site", "none") in OWN_SITES
        tokens = [value for name, value in query if name == "token"]
        if scope["method"] in READING and _is_any(self.token, tokens):
            return self._entrance(scope, [each for each in query if each[0] != "token"], own=own)
        if not own:
            return _refused(OTHER_SITE)
        if scope["method"] not in READING and not _is_own_page(headers):
            return _refused("No page of filterkit sent this request.")
        cookies = [cookie_parser(each).get(self._cookie, "") for each in headers.getlist("cookie")]
        if not _is_any(self._value, cookies):
            return _refused(OPEN_IT)
        return None

    def _hosts(self, scope: Scope) -> list[str]:
        """The values of ``Host`` that are allowed: the own address of this connection, and our names."""
        text, port = scope["server"]
        address = ip_address(text.partition("%")[0])  # without the zone of a local IPv6 address
        address = getattr(address, "ipv4_mapped", None) or address
        names = {str(address), *self._names, *(["localhost"] if address.is_loopback else [])}
        names = {f"[{name}]" if ":" in name else name for name in names}
        return [f"{name}:{port}" for name in names] + [name for name in names if port == 80]

    def _entrance(self, scope: Scope, query: list[tuple[str, str]], *, own: bool) -> Response:
        """Exchange the token for the cookie, and go on without it: it stays in no history and no log.

        A browser sends the new cookie only with requests from our own pages. If another site led here, e.g. a
        terminal in a browser, it is a page that leads on, not a redirection.
        """
        path = "/" + quote(scope["path"].lstrip("/"), safe="/") + (f"?{urlencode(query)}" if query else "")
        answer = RedirectResponse(path, 303) if own else HTMLResponse(CONTINUE.format(path=escape(path)))
        answer.set_cookie(self._cookie, self._value, httponly=True, samesite="strict")
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _is_own_page(headers: Headers) -> bool:
    """Whether one of our pages sent this; with ``no-referrer``, forms have the origin ``null``.

    Then a browser must say that it is the same origin: a page of another site in a frame has ``null``, too.
    """
    origin = headers.get("origin")
    is_form = origin == "null" and headers.get("sec-fetch-site") == "same-origin"
    return is_form or origin == f"http://{headers['host']}"


def _is_any(secret: str, given: Iterable[str]) -> bool:
    return any(secrets.compare_digest(each.encode(), secret.encode()) for each in given)


def _refused(reason: str) -> Response:
    return HTMLResponse(REFUSED.format(reason=reason), 403, {"Cache-Control": "no-store"})


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault(
                "Cache-Control", "no-cache"
            )  # of static files, so that an upgrade changes them
        await send(message)

    return send_with_headers
