"""Feature visualization on the page of a filter: made on demand, and kept."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from filterkit.errors import FilterkitError
from filterkit.web import links
from filterkit.web.forms import read_form
from filterkit.web.page_pictures import version
from filterkit.web.pages import Page, filter_, layer_row

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.web.networks import Job
    from filterkit.workbench import Workbench


def filter_page(bench: Workbench, request: Request) -> Page:
    """The page of a filter, with its feature visualization."""
    page = filter_(bench, request)
    shown = visualization(bench, request, page.values["title"])
    jobs = (shown["job"],) if shown["job"] else ()
    return replace(page, values={**page.values, "visualization": shown}, jobs=jobs)


def visualization(bench: Workbench, request: Request, address: str) -> dict[str, Any]:
    """What the page shows: the picture that is kept, or a job, or why there can be none.

    Nothing is computed: a picture is kept in the store, and where that cannot be written, in memory.
    """
    job: Job | None = request.app.state.networks.find(_key(bench, address))
    try:
        found = bench.kept_visualization(address)
    except FilterkitError as error:
        return {"address": address, "kept": None, "job": job, "impossible": error}
    kept = found.to_rows()[0] if found is not None else None
    if kept is None and job is not None and job.result is not None:
        kept = job.result["rows"][0]
    return {"address": address, "kept": kept, "in_store": found is not None, "job": job, "impossible": None}


async def begin(request: Request) -> Response:
    """Begin to make one, and go back to the page of the filter."""
    await read_form(request)
    state = request.app.state

    def request_of(bench: Workbench) -> tuple[str, Hashable]:
        row, number = layer_row(bench, request), int(request.path_params["filter"])
        address = f"{row['address']}/{number}"
        bench.kept_visualization(address)  # raises if there can be none
        return address, _key(bench, address)

    address, key = await state.workers["quick"].run(request, request_of)
    page = f"{links.href(address)}#visualization"
    state.networks.begin(key, "visualization", {"address": address}, page, again=True)
    return RedirectResponse(page, 303)


def _key(bench: Workbench, address: str) -> Hashable:
    return "visualization", version(bench, address.split("/")[0]), address
