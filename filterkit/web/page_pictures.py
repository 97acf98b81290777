"""The pictures on pages: small PNGs that the workbench draws, one pixel per value, enlarged by the page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import Response

from filterkit import __version__
from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web import links

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.results.sheet import Sheet
    from filterkit.workbench import Workbench

IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Of pictures of weights: their URL contains the hash of the weights."""
FRESH = {"Cache-Control": "private, no-cache"}

GAP = 1
"""Pixels between the tiles of a sheet."""
TILE = 12
"""Approximate side of a tile in pixels; larger kernels have one pixel per value."""
BACKGROUND = "#30506e"
"""Of gaps, which are thus neither black, white nor gray."""

MOST_KERNELS = 1024
"""Of a filter with more kernels, only the first ones are drawn."""

EXEMPLARS = 9
"""How many exemplars of a filter are drawn and listed."""

Urls = Callable[[str, str], str | None]


def urls(bench: Workbench) -> Urls:
    """A function that gives the URL of a picture, by style and address; None if there is no such model."""
    of_model = cache(lambda model: version(bench, model))

    def url(style: str, address: str) -> str | None:
        parts = address.split("/")
        try:
            return f"/pictures/{of_model(parts[0])}/{style}/{links.path(*parts)}.png"
        except FilterkitError:
            return None

    return url


def picture(bench: Workbench, request: Request) -> Response:
    """A picture of weights."""
    address, style = _checked(bench, request), request.path_params["style"]
    draw, numbers = STYLES.get(style), address.split("/")[2:]
    if draw is None or (style != "thumbnail" and not (numbers and links.is_number(numbers[0]))):
        raise NotFoundError("there is no such picture")
    return Response(draw(bench, address), media_type="image/png", headers=IMMUTABLE)


def exemplars(bench: Workbench, request: Request) -> Response:
    """The exemplars of a filter, from pictures that may be moved or changed at any time."""
    found = bench.exemplars(
        _checked(bench, request),
        observation=request.query_params.get("observation"),
        top=EXEMPLARS,
        lowest="lowest" in request.query_params,
    )
    png = bench.render(bench.sheet(found), "mosaic", scale=1, gap=2, background=BACKGROUND)
    return Response(bytes(png), media_type="image/png", headers=FRESH)


def chart(bench: Workbench, request: Request) -> Response:
    """The metrics of a model's layers over depth, or those of a layer's filters."""
    png = bench.stats_chart(_checked(bench, request))
    return Response(bytes(png), media_type="image/png", headers=FRESH)


def _thumbnail(bench: Workbench, address: str) -> bytes:
    found = bench.thumbnails([address])
    if address not in found:
        raise NotFoundError(f"'{address}' cannot be drawn")
    return found[address]


def kernels_address(address: str, count: int) -> str:
    """The address of the kernels of a filter that are drawn."""
    return f"{address}/0:{MOST_KERNELS}" if count > MOST_KERNELS else address


def kernels_sheet(bench: Workbench, address: str) -> tuple[Sheet, int]:
    """The kernels of a filter, gray where they are zero, and the pixels per value and side."""
    sheet = bench.sheet(address, "symmetric:per=filter")
    return sheet, max(1, TILE // max(sheet.tile_shape))


def _kernels(bench: Workbench, address: str) -> bytes:
    sheet, scale = kernels_sheet(bench, address)
    if sheet.count > MOST_KERNELS:
        raise UsageError(f"'{address}' has more than {MOST_KERNELS:,} kernels")
    return bytes(bench.render(sheet, "mosaic", scale=scale, gap=GAP, background=BACKGROUND))


def _factors(bench: Workbench, address: str) -> bytes:
    sheet = bench.sheet(address, channels="factors")
    return bytes(bench.render(sheet, "mosaic", scale=1, gap=0))


def _visualization(bench: Workbench, address: str) -> bytes:
    found = bench.kept_visualization(address)
    if found is None:
        raise NotFoundError(f"there is no feature visualization of '{address}' in the store")
    return bytes(bench.render(bench.sheet(found), "mosaic", scale=1, gap=0))


STYLES: dict[str, Callable[[Workbench, str], bytes]] = {
    "thumbnail": _thumbnail,
    "kernels": _kernels,
    "factors": _factors,
    "visualization": _visualization,
}


def version(bench: Workbench, model: str) -> str:
    """A short hash of the weights of a model and how they are drawn.

    Raises
    ------
    NotFoundError
        There is no such model, or nothing could be extracted from it.
    """
    _, rows = bench.iter_filters(model, columns=("model", "model.banks_sha256"), limit=1)
    row = next(rows, None)
    if row is None or row["model"] != model:
        raise NotFoundError(f"there is no model '{model}' in the catalog")
    drawing = (__version__, TILE, GAP, BACKGROUND)
    return hashlib.sha256(repr((row["model.banks_sha256"], drawing)).encode()).hexdigest()[:16]


def _checked(bench: Workbench, request: Request) -> str:
    """The address in the path of a picture, whose URL must be of the weights that there are now."""
    address = links.checked_address(bench, request.path_params["address"])
    if request.path_params["version"] != version(bench, address.split("/")[0]):
        raise NotFoundError("the model was replaced", hint="reload the page")
    return address
