"""A catalog at a glance, as HTML for a notebook: its models, each with a strip of its first layer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, UsageError, one_line
from filterkit.short_reprs import shortened

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.records import TileSheet
    from filterkit.session import Session

MOST_MODELS = 12
STRIP = 16
"""Number of filters in a strip."""

TILE = 24
"""Approximate height of a strip in pixels."""

LARGEST_TILE = 32
"""Kernels with more values per side have no strip, so that all strips together take less than a megabyte."""

COLUMNS = ("layers", "filters", "parameters")


def overview(session: Session) -> str:
    """See `Workbench._repr_html_`; errors are part of the page, as a notebook would show a traceback."""
    from filterkit.catalog import listings

    heading = f"<p><b>{_text(session.location, 200)}</b>"
    try:
        rows = listings.models(session.catalog())
    except FilterkitError as error:
        return f"{heading}: {_text(error.message, 300)} ({_text(error.hint or '', 300)})</p>"
    more = f"; the first {MOST_MODELS} are shown, <code>.models()</code> lists all"
    count = f"{len(rows):,} model{'s' * (len(rows) != 1)}{more * (len(rows) > MOST_MODELS)}"
    head = "".join(f"<th>{name}</th>" for name in ("model", *COLUMNS, "first layer"))
    body = "".join(_row(session, row) for row in rows[:MOST_MODELS])
    return f"{heading}: {count}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(session: Session, row: Row) -> str:
    numbers = "".join(f"<td>{_text(f'{row[name]:,}', 30)}</td>" for name in COLUMNS)
    try:
        strip = _strip(session, row["model"])
    except (FilterkitError, OSError) as error:
        strip = f"<small>{_text(str(error), 150)}</small>"
    left = '<td style="text-align: left">'
    return f"<tr>{left}{_text(row['model'], 60)}</td>{numbers}{left}{strip}</td></tr>"


def _strip(session: Session, model: str) -> str:
    """The first filters of the first layer of a model, as an ``<img>`` with the layer's address."""
    from filterkit.renderers.display import compact
    from filterkit.renderers.mosaic import Mosaic

    sheet = _strip_sheet(session, model)
    height, width = sheet.tile_shape
    scale = max(1, min(TILE // height, 2 * TILE // width))
    png = compact(Mosaic(scale=scale, background="white").render(sheet))
    name, data = _text(sheet.title, 100), b64encode(png).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="filters of {name}" title="{name}">'


def _strip_sheet(session: Session, model: str) -> TileSheet:
    """In colour if the layer reads pictures in colour, else of the first kernel of each filter."""
    from filterkit.catalog.schema import layer
    from filterkit.catalog.weights import PLACES, bank
    from filterkit.normalizers.minmax import MinMax
    from filterkit.sheets.tiles import bank_sheet

    models, layers = PLACES
    match = session.matches(model, models, (*layers, layer.c.input_channels))[0]
    weights, names = bank(session.catalog(), match), match.layer["input_channels"]
    colour = sorted(names) == ["B", "G", "R"] and weights.shape[1] == len(names)
    if max(weights.shape[2:], default=1) > LARGEST_TILE:
        raise UsageError(f"the kernels of {match.address} are too large for a preview")
    weights = weights[:STRIP] if colour else weights[:STRIP, :1]
    sheet = bank_sheet(
        MinMax("filter").normalize(weights),
        filters=range(len(weights)),
        kernels=range(weights.shape[1]),
        channel_names=names if colour else (),
        channels="rgb" if colour else "first",
        title=match.address,
    )
    if sheet.tile_shape[1] > LARGEST_TILE:
        raise UsageError(f"the kernels of {match.address} are too large for a preview")
    in_one_row = sheet.tiles.reshape(1, -1, *sheet.tiles.shape[2:])[:, : sheet.count]
    return replace(sheet, tiles=in_one_row)


def _text(text: str, length: int) -> str:
    return escape(one_line(shortened(text, length)))
