"""The application: addresses of pages, and how what they show becomes a response."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from filterkit.errors import FilterkitError, ImageError, NotFoundError, UsageError
from filterkit.web import (
    changes,
    comparing,
    filter_visualization,
    job_pages,
    links,
    maps,
    observations,
    page_pictures,
    pages,
    panel_sections,
    searches,
    streaming,
)
from filterkit.web.atlas.page import atlas
from filterkit.web.atlas.tile_server import TileServer
from filterkit.web.forms import ForbiddenError, TooLargeError
from filterkit.web.networks import Networks
from filterkit.web.pages import FORM_ONLY, Page
from filterkit.web.panel_sections import PanelPage
from filterkit.web.templating import render
from filterkit.web.uploads import Uploads
from filterkit.web.workers import BusyError, GoneError, Worker
from filterkit.workbench import Workbench

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.plugins.registry import Registry
    from filterkit.web.networks import Job


class _Number(IntegerConvertor):
    """The number of a filter or kernel; Python refuses to parse one of thousands of digits."""

    regex = "[0-9]{1,9}"  # as `links.is_number`


register_url_convertor("number", _Number())

QUICK, HEAVY, FORM, DATA, ATLAS = "quick", "heavy", "form", "data", "atlas"
"""The workers: for the pages of one model; for what takes longer, searches and charts; for pages whose
results follow; for rows, which are written as fast as the browser reads them; and for atlases."""

Pages = tuple[tuple[str, Callable[[Workbench, Request], Page], str], ...]

PAGES: Pages = (
    ("/", pages.models, QUICK),
    ("/m/{model}", pages.model, QUICK),
    ("/m/{model}/observations/{observation}", observations.observation, HEAVY),
    ("/m/{model}/{layer}", pages.layer, QUICK),
    ("/m/{model}/{layer}/{filter:number}", filter_visualization.filter_page, QUICK),
    ("/m/{model}/{layer}/{filter:number}/{kernel:number}", pages.kernel, QUICK),
    ("/atlas/{model}", atlas, QUICK),
    ("/filters", searches.filters, HEAVY),
    ("/similar", searches.similar, HEAVY),
    ("/sql", searches.sql, HEAVY),
    ("/maps", maps.maps, QUICK),
    ("/add", changes.add_page, QUICK),
    ("/remove", changes.remove_page, QUICK),
    ("/diff", comparing.diff, HEAVY),
)
FILLED_IN = frozenset(("/", "/filters", "/similar", "/sql", "/diff"))
"""What searches the whole catalog: the page is there at once, and its results follow."""

PICTURES: tuple[tuple[str, Callable[[Workbench, Request], Response], str], ...] = (
    ("exemplars", page_pictures.exemplars, HEAVY),
    ("chart", page_pictures.chart, HEAVY),
    ("observed", observations.picture, HEAVY),
    ("{style}", page_pictures.picture, QUICK),
)
FORMS: tuple[tuple[str, Callable[[Request], Awaitable[Response]]], ...] = (
    ("/maps", maps.upload),
    ("/m/{model}/{layer}/{filter:number}/visualization", filter_visualization.begin),
    ("/jobs/{job}/cancel", job_pages.cancel),
    ("/add", changes.add),
    ("/remove", changes.remove),
)
"""What pages send with POST, and nothing else changes anything."""

PATIENCE = 2.0
"""How long a page waits for its jobs, in seconds, before it shows how far they are."""

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
"""What pages can be downloaded as, with ``?format=``."""

FRESH = {"Cache-Control": "private, no-cache"}
"""Of pages, so that a reload shows what other processes changed."""


def application(
    catalog: str | os.PathLike[str] | None,
    registry: Registry,
    *,
    allow_changes: bool = False,
    pages: Pages = PAGES,
    fill_in: bool = True,
    workbench: type[Workbench] = Workbench,
) -> Starlette:
    """The application on a catalog; its ``state.workers`` and ``state.networks`` have to be closed.

    Parameters
    ----------
    pages
        Paths, what their pages show, and the worker that finds it.
    fill_in
        Whether pages that search the catalog are sent before their results.
    workbench
        What the workers open.
    """
    workers = {
        name: Worker(catalog, registry, workbench=workbench) for name in (QUICK, HEAVY, FORM, DATA, ATLAS)
    }
    tiles = TileServer(workers[ATLAS])
    made = Starlette(
        routes=[
            *(Route(place, _guarded(send), methods=["POST"]) for place, send in FORMS),
            *(
                Route(f"/tiles/{{model}}/{{version}}/{{style}}/{name}", _guarded(draw))
                for name, draw in (
                    ("{z:number}/{x:number}/{y:number}.png", tiles.tile),
                    ("plan.json", tiles.plan),
                )
            ),
            *(
                Route(
                    place,
                    _filled_in(view, worker) if fill_in and place in FILLED_IN else _page(view, worker),
                )
                for place, view, worker in pages
            ),
            Route("/jobs/{job}", _guarded(job_pages.state)),
            Route("/jobs/{job}/{name}.png", _guarded(job_pages.picture)),
            *(
                Route(f"/pictures/{{version}}/{style}/{{address:path}}.png", _endpoint(draw, worker))
                for style, draw, worker in PICTURES
            ),
            Route("/diff/pairs.png", _endpoint(comparing.pairs, HEAVY)),
            Route("/go", go),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    made.router.redirect_slashes = False
    made.state.csrf, made.state.allow_changes = secrets.token_urlsafe(24), allow_changes
    made.state.uploads, made.state.receiving = Uploads(), 0
    made.state.networks = Networks(catalog)
    made.state.workers = workers
    return made


async def go(request: Request) -> Response:
    """The page of an address that was typed."""
    address = request.query_params.get("address", "").strip().strip("/")
    place = links.href(address) if address else "/"
    several = f"/filters{links.query({'address': address})}"
    return RedirectResponse(place or several, 303)


def _page(view: Callable[[Workbench, Request], Page], worker: str) -> Callable[[Request], Any]:
    def respond(bench: Workbench, request: Request) -> Response | Sequence[Job]:
        page, form = view(bench, request), request.query_params.get("format")
        running = [job for job in page.jobs if not job.is_done]
        if running and page.is_result and not getattr(request.state, "waited", False):
            return running
        on = _panel_page(bench, request, page)
        if on is not None and "panel" in request.query_params:
            return _panel(bench, request, on)
        if form is not None:
            if page.error is not None:
                raise page.error
            return _table(bench, request, page.rows, page.columns, form)
        values = {**page.values, "error": page.error, "picture": page_pictures.urls(bench)}
        if on is not None:
            values["sections"] = panel_sections.sections(bench, on)
        status = 200 if page.error is None else _status(page.error)
        text = render(page.template, {**values, "is_running": bool(running)}, request)
        return Response(text, status, FRESH, "text/html")

    async def shown(request: Request) -> Response:
        """The page; one that shows a result waits for it a little, and its data until it is there."""
        workers, networks = request.app.state.workers, request.app.state.networks
        chosen = _worker(request, worker)
        found = await workers[chosen].run(request, lambda bench: respond(bench, request))
        if isinstance(found, Response):
            return found
        for job in found:
            await networks.wait(request, job, None if "format" in request.query_params else PATIENCE)
        request.state.waited = True
        made: Response = await workers[chosen].run(request, lambda bench: respond(bench, request))
        return made

    return _streamed(_guarded(shown))


def _filled_in(view: Callable[[Workbench, Request], Page], worker: str) -> Callable[[Request], Any]:
    """A page that searches the catalog: its form is there at once."""
    form = _page(view, FORM)

    async def without_results(request: Request) -> Response:
        found: Response = await form(Request({**request.scope, FORM_ONLY: True}, request.receive))
        return found

    return streaming.filled_in(without_results, _page(view, worker))


def _streamed(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Rows are sent while they are read."""

    async def respond(request: Request) -> Response:
        form = request.query_params.get("format", "")
        if form not in MEDIA_TYPES:
            found: Response = await endpoint(request)
            return found
        headers = {**FRESH, "Content-Type": MEDIA_TYPES[form]}
        return await streaming.as_written(request, endpoint, headers)

    return respond


def _panel_page(bench: Workbench, request: Request, page: Page) -> PanelPage | None:
    if page.kind is None:
        return None
    given = dict(request.query_params)
    server = {"csrf": request.app.state.csrf, "job": next(iter(page.jobs), None)}
    return PanelPage(page.kind, page.address, request.url.path, given, page_pictures.urls(bench), server)


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
        return _table(bench, request, found.rows, tuple(found.rows[0] if found.rows else found.columns), form)
    section = panel_sections.section(bench, page, name)
    values = {
        "section": section,
        "title": f"{section.title} – {page.address}",
        "address": page.address,
        "page_url": page.place + links.query(page.options),
        "picture": page.picture,
        "is_running": page.server["job"] is not None and not page.server["job"].is_done,
    }
    template = "panel_fragment.html" if "fragment" in page.given else "panel.html"
    return Response(render(template, values, request), 200, FRESH, "text/html")


def _endpoint(respond: Callable[[Workbench, Request], Response], worker: str) -> Callable[[Request], Any]:
    """Run a function on a worker."""

    async def endpoint(request: Request) -> Response:
        found: Response = await request.app.state.workers[_worker(request, worker)].run(
            request, lambda bench: respond(bench, request)
        )
        return found

    return _guarded(endpoint)


def _worker(request: Request, worker: str) -> str:
    """The worker of a request, whose page has another one than its panels, which may take long, and rows."""
    is_panel, is_data = (name in request.query_params for name in ("panel", "format"))
    return HEAVY if is_panel else DATA if is_data else worker


def _guarded(respond: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Any]:
    """Errors become responses, as nothing may reach the log of the server."""

    async def answered(request: Request) -> Response:
        try:
            return await respond(request)
        except (GoneError, ClientDisconnect):
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


def _table(
    bench: Workbench, request: Request, rows: Iterable[Row], columns: Sequence[str], form: str
) -> Response:
    """Rows as JSON or CSV, as the command line writes them; of many, what was not sent yet."""
    if form not in MEDIA_TYPES:
        raise UsageError(f"a page cannot be written as '{form}'", hint=f"format={' or '.join(MEDIA_TYPES)}")
    stream = request.state.chunks
    bench.registry.create("format", form).write(rows, tuple(columns), stream)
    return Response(stream.rest(), media_type=MEDIA_TYPES[form], headers=FRESH)


def _status(error: FilterkitError) -> int:
    if isinstance(error, UsageError | ImageError):
        return 400
    for kind, status in ((BusyError, 503), (ForbiddenError, 403), (TooLargeError, 413)):
        if isinstance(error, kind):
            return status
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
