"""The pages of an export, from the application that serves them, without a socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

from filterkit.errors import FilterkitError
from filterkit.web import links
from filterkit.web.application import PAGES, application
from filterkit.web.pages import Page
from filterkit.web.site_html import Links, rewrite
from filterkit.web.site_names import canonical, file_name, form_of, is_resource, is_view, relative
from filterkit.web.site_privacy import hiding
from filterkit.workbench import Workbench

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.registry import Registry
    from filterkit.results.rows import Rows
    from filterkit.web.site_scope import Scope

CATALOG = "catalog.db"
"""What the catalog is called in commands."""

SCRIPTS = ("/static/copy.js", "/static/atlas.js", "/static/openseadragon/openseadragon.min.js")
"""Scripts that work without the server."""

NEEDLESS = ("/static/panels.js", "/static/jobs.js")
"""Scripts whose work is done: parts of pages are not loaded later."""

MOST_VIEWS = 100
"""How many links of one page lead to what is sorted, or meets a condition."""

HOST = "filterkit"


@dataclass(frozen=True)
class Made:
    """A page and what it consists of.

    Attributes
    ----------
    files
        The contents of the page and of what it loads, by name.
    links
        The URLs of the pages that it leads to.
    views
        Those of other views of what has a page: sorted, or by a condition.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    views: set[str] = field(default_factory=set)


class SitePages:
    """Renders pages as files; a context manager.

    Parameters
    ----------
    catalog
        As for `Workbench`.
    scope
        What is exported.
    has
        Whether a file, by name, was written before.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry,
        scope: Scope,
        has: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._scope, self._has = scope, has
        with Workbench(catalog, progress=False, registry=registry) as bench:
            self._hidden = hiding(bench)
        pages = tuple(
            (place, _remembered(_contents(scope) if place == "/" else view), worker)
            for place, view, worker in PAGES
        )
        self._application = application(
            catalog, registry, pages=pages, fill_in=False, workbench=_AnonymousWorkbench
        )
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.close()
        self._application.state.networks.close()
        for worker in self._application.state.workers.values():
            worker.close()

    def make(self, url: str) -> Made:
        """A page by its canonical URL, its data, and what it loads.

        Raises
        ------
        FilterkitError
            The page shows that something is broken.
        """
        made = Made()
        name = file_name(url)
        status, kind, body = self._get(url)
        if status >= 500:
            raise self._broken(url)
        if kind == "text/html":
            to = Links(
                page=lambda href: self._page(url, name, href, made),
                resource=lambda source: self._resource(name, urljoin(url, source), made),
                part=lambda source: self._part(urljoin(url, source)),
                tiles=lambda source: self._tiles(name, source, made),
                hidden=lambda text: self._hidden(text, "html"),
            )
            body = rewrite(body.decode(), to).encode()
        made.files[name] = body
        return made

    def _broken(self, url: str) -> FilterkitError:
        """The error that a page shows."""
        try:
            said = json.loads(self._get(f"{url}{'&' if '?' in url else '?'}format=json")[2])
            return FilterkitError(f"the page '{url}' cannot be made: {said['error']}", hint=said["hint"])
        except (ValueError, KeyError, TypeError):
            return FilterkitError(f"the page '{url}' cannot be made", hint="`filterkit serve` shows it, too")

    def _page(self, url: str, name: str, href: str, made: Made) -> str | None:
        """The link to a page from the file of another."""
        whole = urlsplit(urljoin(url, href))
        if whole.scheme or whole.netloc:
            return href if whole.scheme in ("http", "https") else None
        target = _by_layer(canonical(whole._replace(scheme="", netloc="").geturl()))
        end = f"#{whole.fragment}" if whole.fragment else ""
        if target == url and whole.fragment:
            return end
        if not self._scope.includes(url, target):
            return None
        if is_view(target) and target != url:
            made.views.add(target)
            if len(made.views) > MOST_VIEWS and not is_view(url):
                return None
        if form_of(target):
            self._data(target, made)
        else:
            made.links.append(target)
        return relative(name, file_name(target)) + end

    def _part(self, url: str) -> str | None:
        """The HTML of a part that a script would load after the page."""
        status, kind, body = self._get(f"{url}{'&' if '?' in url else '?'}fragment=1")
        return body.decode() if status == 200 and kind == "text/html" else None

    def _tiles(self, name: str, url: str, made: Made) -> tuple[str, str]:
        """The folder of the tiles of an atlas, and its plan, which the script would fetch."""
        plan = json.loads(self._get(f"{url}/plan.json")[2])
        tiles = [f"{url}/{place}.png" for place in tile_places(plan, self._scope.depth)]
        made.links.extend(tiles)
        plan["deepest"] = min(self._scope.depth - 1, plan["levels"])
        plan["pages"] = {
            f"{model}/{layer}": {
                "page": relative(name, file_name(f"/m/{links.path(model, layer)}")),
                "filters": ranges(chosen.filters),
                "kernels": ranges(chosen.kernels),
            }
            for model, layers in self._scope.models.items()
            if model == plan["model"]
            for layer, chosen in layers.items()
        }
        text = json.dumps(plan, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
        return relative(name, file_name(tiles[0])).removesuffix("/0/0/0.png"), text

    def _data(self, url: str, made: Made) -> None:
        """Make the data of a page, right after the page, as what it shows does not have to be found again."""
        file = file_name(url)
        if file not in made.files and not self._has(file):
            body = self._get(url)[2]
            made.files[file] = self._hidden(body.decode(), form_of(url)).encode()

    def _resource(self, name: str, source: str, made: Made) -> str | None:
        """The link to a picture, style or script from the file of a page; the file is made if it is new."""
        whole = urlsplit(source)
        url = canonical(whole._replace(scheme="", netloc="").geturl())
        if url in NEEDLESS:
            return ""
        if whole.netloc or not is_resource(url) or (url.endswith(".js") and url not in SCRIPTS):
            return None
        file = file_name(url)
        if not (file in made.files or self._has(file)):
            status, _, body = self._get(url)
            if status != 200:
                return None
            made.files[file] = body
        return relative(name, file)

    def _get(self, url: str) -> tuple[int, str, bytes]:
        return self._runner.run(self._response(url))

    async def _response(self, url: str) -> tuple[int, str, bytes]:
        """Status, media type and body of a response."""
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", HOST.encode())],
            "client": None,
            "server": (HOST, 80),
        }
        status, kind = 500, ""
        body: list[bytes] = []

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()  # nobody goes away
            raise AssertionError

        async def send(message: Any) -> None:
            nonlocal status, kind
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = dict(message["headers"]).get(b"content-type", b"").decode().partition(";")[0]
            else:
                body.append(message.get("body", b""))

        await self._application(scope, receive, send)
        return status, kind, b"".join(body)


def _by_layer(url: str) -> str:
    """The URL of an atlas that shows an address: one page for all filters of a layer is enough."""
    path, _, query = url.partition("?")
    if not path.startswith("/atlas/"):
        return url
    address = dict(parse_qsl(query)).get("address")
    return f"{path}?{urlencode({'address': '/'.join(address.split('/')[:2])})}" if address else path


def tile_places(plan: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The tiles of the first levels of an atlas, as ``z/x/y``; the first level is a single one."""
    for level in range(min(depth, plan["levels"] + 1)):
        side = plan["tile"] << (plan["levels"] - level)  # of a tile, in pixels of the whole picture
        for x in range(-(-plan["width"] // side)):
            yield from (f"{level}/{x}/{y}" for y in range(-(-plan["height"] // side)))


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as ranges from first to last, in order.

    >>> ranges([3, 0, 1, 2, 7])
    [(0, 3), (7, 7)]
    """
    made: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if made and made[-1][1] == number - 1:
            made[-1] = made[-1][0], number
        else:
            made.append((number, number))
    return made


class _AnonymousWorkbench(Workbench):
    """A workbench that does not say where its catalog is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._path = super().path
        self.location = CATALOG

        self._observations: dict[str, Rows] = {}

    @property
    def path(self) -> Path:
        return self._path

    def observations(self, model: str = "*") -> Rows:
        """As of a workbench, but every page and picture asks: what is found once does not change."""
        if model not in self._observations:
            self._observations[model] = super().observations(model)
        return self._observations[model]


def _contents(scope: Scope) -> Callable[[Workbench, Request], Page]:
    """The first page: what was exported."""

    def contents(bench: Workbench, request: Request) -> Page:
        models = bench.models()
        rows = [row for row in models if row["model"] in scope.models]
        layers = {
            model: [(name, f"{model}/{name}", len(layer.filters)) for name, layer in chosen.items()]
            for model, chosen in scope.models.items()
        }
        values = {"title": "Filters", "models": rows, "layers": layers}
        return Page("site.html", rows, models.columns, values)

    return contents


def _remembered(view: Callable[[Workbench, Request], Page]) -> Callable[[Workbench, Request], Page]:
    """A view that finds the data of the page that it showed last without looking again."""
    last: dict[str, Page] = {}

    def remembering(bench: Workbench, request: Request) -> Page:
        others = [each for each in request.query_params.multi_items() if each[0] != "format"]
        key = f"{request.url.path}?{others}"
        if "format" in request.query_params and key in last:
            return last[key]
        page = view(bench, request)
        last.clear()
        # Lists that are shown in parts look for all of their rows only when asked for data.
        if page.rows and not hasattr(page.rows, "__next__"):
            last[key] = page
        return page

    return remembering
