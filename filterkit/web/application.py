"""The application: addresses of pages, and how what they show becomes a response."""

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web import links, page_pictures, pages, panel_sections, searches
from filterkit.web.atlas.page import atlas
from filterkit.web.atlas.tile_server import TileServer
from filterkit.web.pages import Page
from filterkit.web.panel_sections import PanelPage
from filterkit.web.templating import render
from filterkit.web.workers import BusyError, GoneError, Worker
from filterkit.workbench import Workbench

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.plugins.registry import Registry


class _Number(IntegerConvertor):
    """The number of a filter or kernel; Python refuses to parse one of thousands of digits."""

    regex = "[0-9]{1,9}"  # as `links.is_number`


register_url_convertor("number", _Number())

QUICK, HEAVY, ATLAS = "quick", "heavy", "atlas"
"""The workers: for the pages of one model, for what takes longer (searches and charts), and for atlases."""

Pages = tuple[tuple[str, Callable[[Workbench, Request], Page], str], ...]

PAGES: Pages = (
    ("/", pages.models, QUICK),
    ("/m/{model}", pages.model, QUICK),
    ("/m/{model}/observations/{observation}", searches.observation, HEAVY),
    ("/m/{model}/{layer}", pages.layer, QUICK),
    ("/m/{model}/{layer}/{filter:number}", pages.filter_, QUICK),
    ("/m/{model}/{layer}/{filter:number}/{kernel:number}", pages.kernel, QUICK),
    ("/atlas/{model}", atlas, QUICK),
    ("/filters", searches.filters, HEAVY),
    ("/similar", searches.similar, HEAVY),
    ("/sql", searches.sql, HEAVY),
    ("/diff", searches.diff, HEAVY),
)
PICTURES: tuple[tuple[str, Callable[[Workbench, Request], Response], str], ...] = (
    ("exemplars", page_pictures.exemplars, HEAVY),
    ("chart", page_pictures.chart, HEAVY),
    ("{style}", page_pictures.picture, QUICK),
)
MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
"""What pages can be downloaded as, with ``?format=``."""

FRESH = {"Cache-Control": "private, no-cache"}
"""Of pages, so that a reload shows what other processes changed."""


def application(
    catalog: str | os.PathLike[str] | None,
    registry: Registry,
    *,
    pages: Pages = PAGES,
    workbench: type[Workbench] = Workbench,
) -> Starlette:
    """The application on a catalog; its ``state.workers`` have to be closed.

    Parameters
    ----------
    pages
        Paths, what their pages show, and the worker that finds it.
    workbench
        What the workers open.
    """
    workers = {name: Worker(catalog, registry, workbench) for name in (QUICK, HEAVY, ATLAS)}
    tiles = TileServer(workers[ATLAS])
    made = Starlette(
        routes=[
            *(
                Route(f"/tiles/{{model}}/{{version}}/{{style}}/{name}", _answered(draw))
                for name, draw in (
                    ("{z:number}/{x:number}/{y:number}.png", tiles.tile),
                    ("plan.json", tiles.plan),
                )
            ),
            *(Route(place, _page(view, worker)) for place, view, worker in pages),
            *(
                Route(f"/pictures/{{version}}/{style}/{{address:path}}.png", _endpoint(draw, worker))
                for style, draw, worker in PICTURES
            ),
            Route("/go", go),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    made.router.redirect_slashes = False
    made.state.workers = workers
    return made


async def go(request: Request) -> Response:
    """The page of an address that was typed."""
    address = request.query_params.get("address", "").strip().strip("/")
    place = links.href(address) if address else "/"
    several = f"/filters{links.query({'address': address})}"
    return RedirectResponse(place or several, 303)


def _page(view: Callable[[Workbench, Request], Page], worker: str) -> Callable[[Request], Any]:
    def respond(bench: Workbench, request: Request) -> Response:
        page, form = view(bench, request), request.query_params.get("format")
        on = _panel_page(bench, request, page)
        if on is not None and "panel" in request.query_params:
            return _panel(bench, request, on)
        if form is not None:
            if page.error is not None:
                raise page.error
            return _table(bench, page.rows, page.columns, form)
        values = {**page.values, "error": page.error, "picture": page_pictures.urls(bench)}
        if on is not None:
            values["sections"] = panel_sections.sections(bench, on)
        status = 200 if page.error is None else _status(page.error)
        return Response(render(page.template, values, request), status, FRESH, "text/html")

    return _endpoint(respond, worker)


def _panel_page(bench: Workbench, request: Request, page: Page) -> PanelPage | None:
    if page.kind is None:
        return None
    given = dict(request.query_params)
    return PanelPage(page.kind, page.address, request.url.path, given, page_pictures.urls(bench))


def _panel(bench: Workbench, request: Request, page: PanelPage) -> Response:
    """One panel of a page: its rows, a sheet, its HTML for a page that has loaded, or a page of its own."""
    name, form = page.given["panel"], page.given.get("format")
    if form == "png":
        png = panel_sections.sheet_png(bench, page, name, page.given.get("sheet", ""))
        return Response(png, media_type="image/png", headers=FRESH)
    if form is not None:
        found = panel_sections.content(bench, page, name)
        if found.rows is None:
            raise NotFoundError(f"panel '{name}' has no rows")
        return _table(bench, found.rows, tuple(found.rows[0] if found.rows else found.columns), form)
    section = panel_sections.section(bench, page, name)
    values = {
        "section": section,
        "title": f"{section.title} – {page.address}",
        "address": page.address,
        "page_url": page.place + links.query(page.options),
        "picture": page.picture,
    }
    template = "panel_fragment.html" if "fragment" in page.given else "panel.html"
    return Response(render(template, values, request), 200, FRESH, "text/html")


def _endpoint(respond: Callable[[Workbench, Request], Response], worker: str) -> Callable[[Request], Any]:
    """Run a function on a worker."""

    async def endpoint(request: Request) -> Response:
        chosen = HEAVY if "panel" in request.query_params else worker  # a panel may take long
        found: Response = await request.app.state.workers[chosen].run(
            request, lambda bench: respond(bench, request)
        )
        return found

    return _answered(endpoint)


def _answered(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Errors become responses, as nothing may reach the log of the server."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except GoneError:
            return Response(status_code=499)
        except FilterkitError as error:
            return _error(request, error, _status(error))
        except Exception as error:
            words = " ".join(str(error).split())[:300] or "no message"
            bug = FilterkitError(
                f"unexpected {type(error).__name__}: {words}",
                hint="this is a bug in filterkit or in a plugin",
            )
            return _error(request, bug, 500)

    return answered


def _table(bench: Workbench, rows: Iterable[Row], columns: Sequence[str], form: str) -> Response:
    """Rows as JSON or CSV, as the command line writes them."""
    if form not in MEDIA_TYPES:
        raise UsageError(f"a page cannot be written as '{form}'", hint=f"format={' or '.join(MEDIA_TYPES)}")
    stream = io.StringIO()
    bench.registry.create("format", form).write(rows, tuple(columns), stream)
    return Response(stream.getvalue(), media_type=MEDIA_TYPES[form], headers=FRESH)


def _status(error: FilterkitError) -> int:
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, BusyError):
        return 503
    return 404 if isinstance(error, NotFoundError) else 500


def _error(request: Request, error: FilterkitError, status: int) -> Response:
    """A page about an error; of data an object with ``error`` and ``hint``."""
    import json

    if request.query_params.get("format") in MEDIA_TYPES:
        text = json.dumps({"error": error.message, "hint": error.hint})
        return Response(text, status, FRESH, "application/json")
    text = render("error.html", {"error": error, "title": "Not found" if status == 404 else "Error"}, request)
    return Response(text, status, FRESH, "text/html")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = "there is no such page" if error.status_code == 404 else error.detail
    response = _error(request, FilterkitError(words, hint="the page of all models is /"), error.status_code)
    response.headers.update(error.headers or {})
    return response
