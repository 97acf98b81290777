"""Reading a catalog: listings, as rows whose keys are a contract, and what an address stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import rows
from filterkit.catalog.database import Catalog
from filterkit.catalog.matches import Match, among, filters_chosen, find, models_named
from filterkit.catalog.schema import filter_, layer, model, skipped
from filterkit.errors import UsageError

Row = dict[str, Any]

MODEL_COLUMNS = tuple(rows.MODELS)
LAYER_COLUMNS = tuple(rows.LAYERS)
SKIPPED_COLUMNS = tuple(rows.SKIPPED)
FILTER_COLUMNS = tuple(rows.FILTERS)

STREAMED = 1000
"""How many filters are fetched at a time."""


def models(catalog: Catalog) -> list[Row]:
    """All models, in the order in which they were added; the keys are `MODEL_COLUMNS`."""
    return _listing(catalog, _select(rows.MODELS).order_by(model.c.id))


def layers(catalog: Catalog, address: Address) -> list[Row]:
    """The layers that `address` names, in the catalog's order; the keys are `LAYER_COLUMNS`.

    Raises
    ------
    NotFoundError
        Where there is no such model or layer.
    """
    with catalog.connect() as connection:
        chosen = [match.layer["id"] for match in find(connection, address)]
    query = _select(rows.LAYERS).join_from(model, layer).where(among(layer.c.id, chosen))
    return _listing(catalog, query.order_by(layer.c.id))


def skipped_nodes(catalog: Catalog, address: Address) -> list[Row]:
    """The convolutions of the models that `address` names that were not extracted, and why.

    Raises
    ------
    NotFoundError
        Where there is no such model.
    """
    with catalog.connect() as connection:
        chosen = [row["id"] for row in models_named(connection, address.model)]
    query = _select(rows.SKIPPED).join_from(model, skipped).where(among(model.c.id, chosen))
    return _listing(catalog, query.order_by(model.c.id, skipped.c.position))


def filters(
    catalog: Catalog,
    address: Address,
    *,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The filters that `address` names, streamed.

    Parameters
    ----------
    where
        A condition over columns of the filter and of its layer, e.g. ``"l1_norm > 2 and in_channels = 3"``.
    sort
        A column, with ``-`` in front for the largest first. Without it: in the catalog's order.
    limit
        How many at most.

    Returns
    -------
    columns
        `FILTER_COLUMNS`, and the metrics that plugins measured of these models.
    rows
        One per filter.

    Raises
    ------
    NotFoundError
        Where the address names nothing.
    UsageError
        Where the condition or the column to sort by cannot be read.
    """
    if limit is not None and limit < 0:
        raise UsageError(f"a limit of {limit} makes no sense", hint="give a number from 0 up")
    everything = str(address) == "*"
    with catalog.connect() as connection:
        named = models_named(connection, address.model)
        matches = [] if everything else find(connection, address)
    extra = tuple(dict.fromkeys(name for row in named for name in row["extra_metrics"]))
    searchable = rows.searchable(extra)
    shown = {**rows.FILTERS, **{name: rows.extra_metric(name) for name in extra}}
    del shown["address"]  # made of the others here: SQLite would make it of every row that it sorts
    query = _select(shown).select_from(filter_).join(layer).join(model)
    if not everything:
        query = query.where(filters_chosen(matches, address))
    if where is not None:
        from filterkit.catalog.conditions import parse_condition

        query = query.where(parse_condition(where, searchable))
    if sort:
        from filterkit.catalog.conditions import column_named

        column = column_named(sort.removeprefix("-"), searchable)
        query = query.order_by((sa.desc(column) if sort.startswith("-") else column).nulls_last())
    # The filters' own key comes last: SQLite then walks its tree in order, and need not sort.
    query = query.order_by(filter_.c.layer_id, filter_.c.position).limit(limit)
    return FILTER_COLUMNS + extra, _stream(catalog, query)


_LABELS = sa.select(filter_.c.layer_id, filter_.c.position, filter_.c.label).where(
    filter_.c.layer_id.in_(
        sa.select(sa.func.json_each(sa.bindparam("layers")).table_valued("value").c.value)
    ),
    filter_.c.label != "",
)


def filter_labels(catalog: Catalog, matches: Sequence[Match]) -> list[tuple[str, ...]]:
    """The labels of all filters of each layer, in order; empty for layers whose filters have none."""
    given: dict[int, dict[int, str]] = {match.layer["id"]: {} for match in matches}
    with catalog.connect() as connection:
        for layer_id, position, label in connection.execute(_LABELS, {"layers": json.dumps(list(given))}):
            given[layer_id][position] = label
    named = ((given[match.layer["id"]], match.layer["filters"]) for match in matches)
    return [tuple(labels.get(n, "") for n in range(count)) if labels else () for labels, count in named]


def plugins_of_models(catalog: Catalog) -> dict[str, list[str]]:
    """From each plugin that made rows to the names of the models it made them for."""
    with catalog.connect() as connection:
        rows = connection.execute(sa.select(model.c.name, model.c.plugins).order_by(model.c.name)).all()
    made: dict[str, list[str]] = {}
    for name, plugins in rows:
        for plugin in plugins:
            made.setdefault(plugin, []).append(name)
    return made


def _select(columns: Mapping[str, rows.Column]) -> sa.Select[Any]:
    return sa.select(*(column.label(name) for name, column in columns.items()))


def _listing(catalog: Catalog, query: sa.Select[Any]) -> list[Row]:
    with catalog.connect() as connection:
        found = connection.execute(query).mappings()
        return [{name: rows.integral(value) for name, value in row.items()} for row in found]


def _stream(catalog: Catalog, query: sa.Select[Any]) -> Iterator[Row]:
    with catalog.connect() as connection:
        result = connection.execution_options(yield_per=STREAMED).execute(query)
        names = ("address", *result.keys())
        for values in result:
            address = f"{values[0]}/{values[1]}/{values[2]}"
            yield dict(zip(names, (address, *values), strict=True))
