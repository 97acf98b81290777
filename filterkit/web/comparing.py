"""The page that compares two models, or layers of them, side by side with the difference, worst first."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from filterkit.errors import FilterkitError, UsageError
from filterkit.web.links import checked_address, query
from filterkit.web.one_page import Recent
from filterkit.web.page_pictures import FRESH
from filterkit.web.pages import FORM_ONLY, Page, command_lines, page_number, paging, python_lines, word
from filterkit.web.searches import searching

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from starlette.requests import Request

    from filterkit.results.diff import Differences
    from filterkit.workbench import Workbench

MOST = 200
"""How many rows are shown, on several pages."""

PAIRS = 20
"""How many are on a page."""

MATCHES = {"name": "name", "position": "position", "assignment": "assignment of similar filters"}
BYS = {"weights": "weights", "response": "responses to the same pictures"}

SCORES = {"weights": ("cosine", "cosine"), "response": ("cka", "correlation")}
"""The column of layers and that of filters that says how similar they are."""

SHOWN = {
    ("weights", "layer"): ("cosine", "cosine_min", "relative_l2", "max_abs", "changed", "moved"),
    ("weights", "filter"): ("cosine", "relative_l2", "max_abs", "scale", "changed", "moved"),
    ("response", "layer"): ("cka", "correlation", "correlation_min", "moved", "pictures"),
    ("response", "filter"): ("correlation", "response_mean_a", "response_mean_b", "moved", "pictures"),
}
"""The columns beside the pictures."""

GAP = 1
LARGEST_TILE = 512
"""Kernels with a longer side, in values, are not drawn: their pages have them."""


@dataclass(frozen=True)
class Pair:
    """How a pair of filters is drawn.

    Attributes
    ----------
    tiles
        The kernel of A, that of B, and B minus A, each between 0 and 1. A difference may be twice as large
        as the largest weight, and has half the contrast.
    addresses
        Of both kernels.
    """

    tiles: tuple[NDArray[np.float32], ...]
    addresses: tuple[str, ...]


_recent: Recent[list[Pair | None]] = Recent()


@searching("diff.html", title="Compare", matches=MATCHES, bys=BYS, found=None, level="layer")
def diff(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """Two models, or layers of them, side by side: what differs most first."""
    asked = _asked(request)
    values |= {
        "match": asked["match"],
        "by": asked["by"],
        "level": asked["level"],
        "models": bench.models()["model"],
    }
    if not (asked["a"] and asked["b"]) or FORM_ONLY in request.scope:
        return Page("diff.html", (), ("address_a", "address_b", "cosine"), values)
    found = _found(bench, asked)
    number = page_number(request, len(found), PAIRS)
    rows = found[number * PAIRS : (number + 1) * PAIRS]
    drawn = _drawn(bench, rows)
    sprite = f"/diff/pairs.png{query(asked, page=number + 1)}"
    _recent.keep(bench.location, sprite, drawn, sum(map(_size, drawn)))
    a, b, by, match, level = (asked[name] for name in ("a", "b", "by", "match", "level"))
    score = SCORES[by][level == "filter"]
    values |= {
        "found": found,
        "rows": list(zip(rows, _boxes(drawn), strict=True)),
        "sprite": sprite,
        "paired": SCORES[by][1],  # None for layers whose filters are no pairs
        "shown": [name for name in SHOWN[by, level] if name in found.columns],
        "most": MOST,
        "asked": asked,
        "commands": command_lines(
            bench,
            [f"filterkit diff {word(a)} {word(b)} --by {by} --match {match} --level {level} --sort {score}"],
        ),
        "python": python_lines(
            bench, [f"bench.diff({a!r}, {b!r}, by={by!r}, match={match!r}, level={level!r}, sort={score!r})"]
        ),
    }
    return Page("diff.html", found, found.columns, values | paging(number, len(found), PAIRS))


def pairs(bench: Workbench, request: Request) -> Response:
    """The pictures of all pairs on a page in one PNG, a row of three tiles each."""
    import numpy as np
    from PIL import Image

    asked = _asked(request)
    url = f"/diff/pairs.png{query(asked, page=request.query_params.get('page', 1))}"
    drawn = _recent.take(bench.location, url)
    if drawn is None:
        found = _found(bench, asked)
        number = page_number(request, len(found), PAIRS)
        drawn = _drawn(bench, found[number * PAIRS : (number + 1) * PAIRS])
    boxes = _boxes(drawn)
    sides = [box for row in boxes if row for box in row]
    if not sides:
        raise UsageError("no pair of filters can be drawn")
    width, height = (max(box[axis] + box[axis + 2] for box in sides) for axis in (0, 1))
    canvas = np.full((height, width), 127, np.uint8)
    for pair, row in zip(drawn, boxes, strict=True):
        if pair is not None and row is not None:
            for tile, (x, y, wide, high) in zip(pair.tiles, row, strict=True):
                canvas[y : y + high, x : x + wide] = np.rint(np.nan_to_num(tile, nan=0.5) * 255)
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png", headers=FRESH)


def _asked(request: Request) -> dict[str, str]:
    given = request.query_params
    return {
        "a": given.get("a", "").strip(),
        "b": given.get("b", "").strip(),
        "level": "filter" if given.get("level") == "filter" else "layer",
        "match": given.get("match", "name"),
        "by": given.get("by", "weights"),
    }


def _found(bench: Workbench, asked: dict[str, str]) -> Differences:
    """The differences, worst first; two single layers are pairs whatever their names."""
    match: Any = asked["match"]
    by: Any = asked["by"]
    level: Any = asked["level"]
    if match not in MATCHES:
        raise UsageError(f"filters are not matched by '{match}'", hint="by name, position or assignment")
    if by not in BYS:
        raise UsageError(f"filters are not compared by '{by}'", hint="by weights or response")
    a, b = (checked_address(bench, asked[side]) for side in "ab")
    sort = SCORES[by][level == "filter"]
    return bench.diff(a, b, by=by, match=match, level=level, sort=sort, limit=MOST)


def _drawn(bench: Workbench, rows: Differences) -> list[Pair | None]:
    """How each row is drawn; None where it cannot be: of a layer, its least similar pair of filters."""
    made: list[Pair | None] = []
    for number in range(len(rows)):
        try:
            sheet = bench.sheet(rows[number : number + 1])
        except FilterkitError:  # layers that were not compared
            made.append(None)
            continue
        if max(sheet.tile_shape) > LARGEST_TILE:
            made.append(None)
            continue
        a, b = sheet.tiles.reshape(-1, *sheet.tiles.shape[2:])[:2]
        made.append(Pair((a, b, 0.5 + (b - a) / 2), sheet.addresses[:2]))
    return made


def _size(pair: Pair | None) -> int:
    return 0 if pair is None else sum(tile.nbytes for tile in pair.tiles)


Box = tuple[int, int, int, int]


def _boxes(drawn: Sequence[Pair | None]) -> list[list[Box] | None]:
    """Where the tiles of each pair are in the picture of all: x, y, width, height."""
    boxes: list[list[Box] | None] = []
    top = 0
    for pair in drawn:
        if pair is None:
            boxes.append(None)
            continue
        high, wide = pair.tiles[0].shape[:2]
        boxes.append([(place * (wide + GAP), top, wide, high) for place in range(len(pair.tiles))])
        top += high + GAP
    return boxes
