"""List which layers the output of each layer reaches: the graph of layers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from filterkit import budget
from filterkit.address import Address, parse_address
from filterkit.errors import CatalogError, FilterkitError, ModelError
from filterkit.results.connections import Connections

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.session import Session

Row = dict[str, Any]

COLUMNS: Mapping[str, type | None] = {
    "model": str,
    "from_address": str,
    "to_address": str,
    "via": None,
    "channel_offset": int,
    "tensor": str,
}

LONGEST = 60.0
"""Limit on the CPU time for tracing a model of an older catalog, in seconds."""


def edges(session: Session, address: str) -> Connections:
    """See `Workbench.edges`."""
    asked = parse_address(address)
    chosen = {match.address for match in session.matches(address)}
    by_model: dict[int, list[Match]] = {}
    for match in session.matches(asked.model, *_columns()):
        by_model.setdefault(match.model["id"], []).append(match)
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for matches in by_model.values():
        try:
            found = _of_model(session, matches)
        except (ModelError, CatalogError) as error:
            if len(by_model) == 1:
                raise
            left_out[matches[0].model["name"]] = error.message
            continue
        rows += _listed(matches, found, None if asked == Address(asked.model) else chosen)
    return Connections(rows, COLUMNS, left_out)


def _columns() -> tuple[Sequence[Any], Sequence[Any]]:
    from filterkit.catalog.edges import LAYER, MODEL

    return MODEL, LAYER


def _listed(matches: Sequence[Match], rows: Sequence[Row], chosen: set[str] | None) -> Iterator[Row]:
    """Rows with addresses; only those with a `chosen` end, or all."""
    for row in rows:
        ends = [None if row[end] is None else matches[row[end]].address for end in ("from_layer", "to_layer")]
        if chosen is None or not chosen.isdisjoint(filter(None, ends)):
            yield {
                "model": matches[0].model["name"],
                "from_address": ends[0],
                "to_address": ends[1],
                "via": row["via"],
                "channel_offset": row["channel_offset"],
                "tensor": row["tensor"],
            }


def _of_model(session: Session, matches: Sequence[Match]) -> Sequence[Row]:
    """The rows of a model: from its catalog, else traced, and then written if the catalog may be written."""
    from filterkit.catalog.edges import edges_of

    model = matches[0].model
    if model["edges"] is not None:
        return edges_of(session.catalog(), model["id"], len(matches))
    key = model["id"], model["sha256"]
    if key not in session.edges:
        session.edges[key] = _traced(session, matches)
        _keep(session, model, session.edges[key])
    return session.edges[key]


def _traced(session: Session, matches: Sequence[Match]) -> list[Row]:
    from filterkit.catalog.edges import edge_rows
    from filterkit.catalog.weights import model_file
    from filterkit.graph.layers.layer_edges import layer_edges
    from filterkit.graph.loading.checkpoint import PRODUCER
    from filterkit.graph.loading.load import open_graph

    model = matches[0].model
    if model["producer"] == PRODUCER:
        raise ModelError(
            f"the layers of {model['name']} are not connected: it consists of weights without a network",
            hint="add the network itself, as an ONNX file, to see how its layers are connected",
        )
    path = model_file(session.catalog(), model)
    with budget.limited(model["name"], LONGEST, None):
        return edge_rows(layer_edges(open_graph(path), [match.layer for match in matches]))


def _keep(session: Session, model: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write traced edges to the catalog, unless that must not be changed; a failure loses nothing."""
    from filterkit.catalog import Catalog
    from filterkit.catalog.edges import keep_edges

    path = session.catalog().path
    with suppress(FilterkitError, OSError):
        # A file without a write bit is meant to stay as it is, even where the user is root.
        if (
            path.stat().st_mode & stat.S_IWUSR
            and os.access(path, os.W_OK)
            and os.access(path.parent, os.W_OK)
        ):
            with Catalog.open(path, write=True, upgrade=False) as catalog:
                keep_edges(catalog, model, rows)
