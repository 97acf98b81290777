"""Metrics of whole layers, and how the metrics of their filters are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import listings
from filterkit.catalog.addresses import BRIEF_MODEL, Match, find
from filterkit.catalog.database import Catalog
from filterkit.catalog.responses import (
    RESPONSES,
    are_observed,
    extra_responses,
    layer_responses,
    response_metric,
)
from filterkit.catalog.schema import filter_, layer, model
from filterkit.catalog.sqlite.statements import among
from filterkit.catalog.validation import DamagedValueError, check_rows, damaged_value, is_number, is_whole
from filterkit.errors import UsageError

Row = dict[str, Any]

CLASSIC_TYPES = ("edge", "blur", "sharpen", "emboss", "pointwise", "other")


def stats(
    catalog: Catalog, address: Address, observation: str | None = None
) -> tuple[dict[str, type | None], list[Row], list[Match]]:
    """One row for each layer that `address` names, in the catalog's order.

    Returns
    -------
    columns
        ``address``, ``model``, ``layer``, ``filters``; the metrics of layers, those of plugins last; then
        how many of the filters are ``dead``, and how many of each of `CLASSIC_TYPES`; and if they were
        observed, `RESPONSES` and response metrics of plugins as in `layer_responses`. Each with the type of
        its values, or None.
    rows
        None marks values that are undefined or were not measured.
    matches
        The layers, in the same order, with the columns ``measured`` and ``sha256`` of their models.

    Raises
    ------
    NotFoundError
        There is no such model or layer.
    UsageError
        The address names filters, not layers.
    """
    if address.filters is not None:
        raise UsageError(
            f"'{address}' names filters, but statistics are computed per layer",
            hint=f"{Address(address.model, address.layer)} names the layers",
        )
    with catalog.connect() as connection:
        matches = find(connection, address, (*BRIEF_MODEL, model.c.measured, model.c.sha256))
        extra = dict.fromkeys(name for match in matches for name in match.model["extra_layer_metrics"])
        typed = sa.func.count(filter_.c.classic_type)
        columns: dict[str, listings.Column] = {
            **{name: listings.LAYERS[name] for name in ("address", "model", "layer", "filters")},
            **listings.LAYER_METRICS,
            **{name: listings.extra_metric(name, layer) for name in extra},
            "dead": sa.func.sum(filter_.c.dead),
            # None where nothing was measured: 0 would mean that no filter has this type.
            **{
                name: sa.case((typed > 0, typed.filter(filter_.c.classic_type == name)))
                for name in CLASSIC_TYPES
            },
        }
        query = (
            sa.select(*(column.label(name) for name, column in columns.items()))
            .select_from(filter_)
            .join(layer)
            .join(model)
            .where(among(layer.c.id, [match.layer["id"] for match in matches]))
            .group_by(layer.c.id)
            .order_by(layer.c.id)
        )
        found = check_rows(connection.execute(query).mappings(), columns)
        for row in found:
            if row["dead"] is not None and not is_whole(row["dead"], 0, row["filters"]):
                raise damaged_value("dead", row["dead"])
        if len(found) < len(matches):
            raise DamagedValueError("a layer has no filters")
    ids = [match.layer["id"] for match in matches]
    if are_observed(catalog, ids, observation):
        of_plugins = [name for name in extra_responses(catalog, ids, observation) if name not in columns]
        responses = layer_responses(catalog, ids, observation, of_plugins)
        found = [{**row, **responses.get(key, {})} for row, key in zip(found, ids, strict=True)]
        columns |= RESPONSES
        columns |= {name: response_metric(name) for name in of_plugins}
    return listings.value_types(columns), found, matches


def distributions(
    catalog: Catalog, addresses: Mapping[int, str], columns: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """By address of a layer, the defined values of its filters in each of `columns`.

    Parameters
    ----------
    addresses
        The address of each layer, by its id. Layers that no longer exist are left out of the result.
    """
    wanted = [filter_.c[name] for name in columns]
    found: dict[int, dict[str, list[float]]] = {}
    with catalog.connect() as connection:
        query = sa.select(filter_.c.layer_id, *wanted).where(among(filter_.c.layer_id, list(addresses)))
        for key, *values in connection.execute(query.order_by(filter_.c.layer_id, filter_.c.position)):
            of_layer = found.setdefault(key, {name: [] for name in columns})
            for name, value in zip(columns, values, strict=True):
                if value is not None:
                    if not is_number(value):
                        raise damaged_value(name, value)
                    of_layer[name].append(value)
    return {address: found[key] for key, address in addresses.items() if key in found}
