"""The page of an atlas: the picture, and the same as a form and a table for those who cannot see it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web import links
from filterkit.web.atlas.picture import Picture, picture
from filterkit.web.atlas.styles import LOOKS, NAME, Style
from filterkit.web.pages import NAMES, Page, meanings

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench


def atlas(bench: Workbench, request: Request) -> Page:
    """Every kernel of a model."""
    model, given = request.path_params["model"], request.query_params
    colour, sort, address = (given.get(name, "").strip() for name in ("colour", "sort", "address"))
    bench.observations(model)  # an unknown model has no page
    values: dict[str, Any] = {"title": f"Atlas of {model}", "model": model, "colour": colour, "sort": sort}
    values |= {"address": address, "tiles": None, "box": None, "rows": (), "columns": (), "metrics": ()}
    try:
        names, _ = bench.iter_filters(model, limit=0)
    except NotFoundError:  # it has no filters
        return Page("atlas.html", (), (), values)
    try:
        columns = [name for name in names if name not in NAMES]
        known = meanings(bench, "filter")
        values |= {"columns": columns, "meanings": known}
        values["metrics"] = [each for each in columns if _is_number(known, each)]
        drawn = picture(bench, model, _style(colour, sort, down=given.get("order") == "down"))
        rows = _rows(drawn)
        values |= {"rows": rows, "shown": [name for name in rows[0] if name != "address"]}
        values["tiles"] = f"/tiles/{links.path(model, drawn.version, str(drawn.style))}"
        if address:
            values["box"] = drawn.place(address)
    except FilterkitError as error:
        return Page("atlas.html", (), (), values, error)
    return Page("atlas.html", rows, tuple(rows[0]), values)


def _is_number(known: Any, column: str) -> bool:
    return column not in known or known[column]["type"] not in ("TEXT", "JSON")


def _style(colour: str, sort: str, *, down: bool) -> Style:
    """The style that was chosen in the form, whose columns are looked up later."""
    for name in filter(None, (colour, sort)):
        if not re.fullmatch(NAME, name):
            raise UsageError(f"filters have no column '{name}'", hint="choose another one")
    metric = None if not colour or colour in LOOKS.keys() - {"metric"} else colour
    order = f"-{sort}" if sort and down else sort or None
    return Style("metric" if metric else colour or "weights", metric, order)


def _rows(drawn: Picture) -> list[Row]:
    """The layers, where they are, and what the first and the last colour of each stand for."""
    rows: list[Row] = []
    for number, (address, layer) in enumerate(zip(drawn.layers, drawn.layout.layers, strict=True)):
        row: dict[str, Any] = {
            "address": address,
            "filters": layer.shape.filters,
            "kernels": layer.shape.kernels,
        }
        row["kernel_shape"] = list(drawn.banks[number].shape[2:])
        row |= dict(zip(("x", "y", "width", "height"), layer.box, strict=True))
        if drawn.ranges is not None:
            row["darkest"], row["lightest"] = drawn.ranges[number] or (None, None)
        rows.append(row)
    return rows
