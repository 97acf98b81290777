"""Feature visualizations on the page of a filter: made on demand, in the background, and kept."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from filterkit.web import links
from filterkit.web.forms import read_form
from filterkit.web.page_pictures import version
from filterkit.web.pages import Page, filter_, layer_row

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.workbench import Workbench


def filter_page(bench: Workbench, request: Request) -> Page:
    """The page of a filter, with the job that makes its visualization; the panel shows how far it is."""
    page = filter_(bench, request)
    job = request.app.state.networks.find(_key(bench, page.address))
    return replace(page, jobs=(job,) if job else ())


async def begin(request: Request) -> Response:
    """Begin to make one, and go back to the page of the filter."""
    await read_form(request)
    state = request.app.state

    def requested(bench: Workbench) -> tuple[str, Hashable]:
        row, number = layer_row(bench, request), int(request.path_params["filter"])
        address = f"{row['address']}/{number}"
        bench.kept_visualization(address)  # raises if there can be none
        return address, _key(bench, address)

    address, key = await state.workers["quick"].run(request, requested)
    page = f"{links.href(address)}#panel-visualization"
    state.networks.begin(key, "visualization", {"address": address}, page, again=True)
    return RedirectResponse(page, 303)


def _key(bench: Workbench, address: str) -> Hashable:
    return "visualization", version(bench, address.split("/")[0]), address
