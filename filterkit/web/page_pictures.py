"""The pictures on pages: small PNGs that the workbench draws, one pixel per value, enlarged by the page."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from filterkit import __version__
from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web import links

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request

    from filterkit.results.sheet import Sheet
    from filterkit.results.similar import Neighbours
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

CLASSIC = 3
"""How many classic kernels are beside a kernel."""

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
    address, style = checked(bench, request), request.path_params["style"]
    draw, numbers = STYLES.get(style), address.split("/")[2:]
    if draw is None or (style != "thumbnail" and not (numbers and links.is_number(numbers[0]))):
        raise NotFoundError("there is no such picture")
    return Response(draw(bench, address), media_type="image/png", headers=IMMUTABLE)


def exemplars(bench: Workbench, request: Request) -> Response:
    """The exemplars of a filter, from pictures that may be moved or changed at any time."""
    found = bench.exemplars(
        checked(bench, request),
        observation=request.query_params.get("observation"),
        top=EXEMPLARS,
        lowest="lowest" in request.query_params,
    )
    png = bench.render(bench.sheet(found), "mosaic", scale=1, gap=2, background=BACKGROUND)
    return Response(bytes(png), media_type="image/png", headers=FRESH)


def chart(bench: Workbench, request: Request) -> Response:
    """The metrics of a model's layers over depth, or those of a layer's filters."""
    png = bench.stats_chart(checked(bench, request))
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


def _classic(bench: Workbench, address: str) -> bytes:
    """A kernel and the nearest classic ones, mapped onto it, side by side: 0 is gray, the largest white."""
    import numpy as np

    found = nearest_classic(bench, _kernel(address))
    kernels = [found.query.values, *(found.mapped(number) for number in range(len(found)))]
    tiles = [_flat(np.asarray(each, np.float64)) for each in kernels]
    limits = [max(float(np.abs(tile).max()), 1e-30) for tile in tiles]
    pixels = [np.rint(127.5 * (tile / limit + 1)) for tile, limit in zip(tiles, limits, strict=True)]
    enlarged = np.ones((max(1, TILE // max(tiles[0].shape)),) * 2)
    return _png([np.kron(tile, enlarged)[..., None].repeat(3, axis=2).astype(np.uint8) for tile in pixels])


def nearest_classic(bench: Workbench, address: str) -> Neighbours:
    """The classic kernels that are most similar to a kernel, also negated, mirrored and turned."""
    bench.models("classic")  # whether it is there, before an address that has to be explained
    return bench.similar(address, "classic", invariant="scale,sign,flip,rotate", limit=CLASSIC)


def _kernel(address: str) -> str:
    if address.count("/") != 3 or not links.is_number(address.split("/")[3]):
        raise NotFoundError("only single kernels are drawn like this")
    return address


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """A kernel as a picture: one of one axis as a line, the slices of a volume side by side."""
    import numpy as np

    return np.hstack([*values]) if values.ndim == 3 else np.atleast_2d(values)


def _png(tiles: Sequence[NDArray[np.uint8]]) -> bytes:
    """Colour tiles side by side, with gaps between them."""
    import io

    import numpy as np
    from PIL import Image, ImageColor

    high = max(len(tile) for tile in tiles)
    gap = np.full((high, GAP, 3), ImageColor.getrgb(BACKGROUND), np.uint8)
    parts = [part for tile in tiles for part in (tile, gap)]
    out = io.BytesIO()
    Image.fromarray(np.hstack(parts[:-1])).save(out, "PNG")
    return out.getvalue()


def _frequency(bench: Workbench, address: str) -> bytes:
    """The frequency response of a kernel; of a volume its three central slices, side by side."""
    import numpy as np

    found = np.nan_to_num(bench.frequency_response(_kernel(address))[0, 0], posinf=0)
    if found.ndim not in (2, 3):
        raise NotFoundError("only the frequency response of 2-D and 3-D kernels is a picture")
    found = np.rint(found * (255 / max(float(found.max()), 1e-30))).astype(np.uint8)[..., None].repeat(3, -1)
    if found.ndim == 3:
        return _png([found])
    depth, height, width = (side // 2 for side in found.shape[:3])
    return _png([found[depth], found[:, height], found[:, :, width]])


def _visualization(bench: Workbench, address: str) -> bytes:
    found = bench.kept_visualization(address)
    if found is None:
        raise NotFoundError(f"there is no feature visualization of '{address}' in the store")
    return bytes(bench.render(bench.sheet(found), "mosaic", scale=1, gap=0))


STYLES: dict[str, Callable[[Workbench, str], bytes]] = {
    "thumbnail": _thumbnail,
    "kernels": _kernels,
    "factors": _factors,
    "frequency": _frequency,
    "classic": _classic,
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


def checked(bench: Workbench, request: Request) -> str:
    """The address in the path of a picture, whose URL must be of the weights that there are now."""
    address = links.checked_address(bench, request.path_params["address"])
    if request.path_params["version"] != version(bench, address.split("/")[0]):
        raise NotFoundError("the model was replaced", hint="reload the page")
    return address
