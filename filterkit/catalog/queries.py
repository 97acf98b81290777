"""Reading a catalog: listings, as rows whose keys are a contract, and what an address stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address, Selection, matching
from filterkit.catalog import rows
from filterkit.catalog.conditions import column_named, parse_condition
from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import filter_, layer, model, skipped
from filterkit.errors import NotFoundError, UsageError, closest

Row = dict[str, Any]

MODEL_COLUMNS = tuple(rows.MODELS)
LAYER_COLUMNS = tuple(rows.LAYERS)
SKIPPED_COLUMNS = tuple(rows.SKIPPED)
FILTER_COLUMNS = tuple(rows.FILTERS)

STREAMED = 1000
"""How many filters are fetched at a time."""


@dataclass(frozen=True, slots=True)
class Match:
    """One layer that an address names, with what it selects there.

    Attributes
    ----------
    model, layer
        The whole rows of the tables of that name.
    filters, kernels
        The positions selected, in the order written.
    asked
        The address that was resolved.
    """

    model: Mapping[str, Any]
    layer: Mapping[str, Any]
    filters: Sequence[int]
    kernels: Sequence[int]
    asked: Address

    @property
    def address(self) -> str:
        """Of the layer."""
        return f"{self.model['name']}/{self.layer['name']}"

    @property
    def selected_address(self) -> str:
        """Of what is selected in the layer."""
        chosen = Address(self.model["name"], self.layer["name"], self.asked.filters, self.asked.kernels)
        return str(chosen)


def models(catalog: Catalog) -> list[Row]:
    """All models, by name; the keys are `MODEL_COLUMNS`."""
    return _listing(catalog, _select(rows.MODELS).order_by(model.c.name))


def layers(catalog: Catalog, address: Address) -> list[Row]:
    """The layers that `address` names, in the models' own order; the keys are `LAYER_COLUMNS`.

    Raises
    ------
    NotFoundError
        Where there is no such model or layer.
    """
    chosen = [match.layer["id"] for match in resolve(catalog, address)]
    query = _select(rows.LAYERS).join_from(model, layer).where(_among(layer.c.id, chosen))
    return _listing(catalog, query.order_by(model.c.name, layer.c.position))


def skipped_nodes(catalog: Catalog, address: Address) -> list[Row]:
    """The convolutions of the models that `address` names that were not extracted, and why.

    Raises
    ------
    NotFoundError
        Where there is no such model.
    """
    with catalog.connect() as connection:
        chosen = [row["id"] for row in _models_named(connection, address.model)]
    query = _select(rows.SKIPPED).join_from(model, skipped).where(_among(model.c.id, chosen))
    return _listing(catalog, query.order_by(model.c.name, skipped.c.position))


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
        A column, with ``-`` in front for the largest first. Without it: in the models' own order.
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
    matches = resolve(catalog, address)
    extra = tuple(dict.fromkeys(name for match in matches for name in match.model["extra_metrics"]))
    searchable = rows.searchable(extra)
    query = (
        _select({**rows.FILTERS, **{name: rows.extra_metric(name) for name in extra}})
        .join_from(model, layer)
        .join(filter_)
        .where(*_filters_chosen(matches, address))
    )
    if where is not None:
        query = query.where(parse_condition(where, searchable))
    own_order = (model.c.name, layer.c.position, filter_.c.position)
    if sort:
        column = column_named(sort.removeprefix("-"), searchable)
        query = query.order_by((sa.desc(column) if sort.startswith("-") else column).nulls_last(), *own_order)
    else:
        query = query.order_by(*own_order)
    return FILTER_COLUMNS + extra, _stream(catalog, query.limit(limit))


def resolve(catalog: Catalog, address: Address) -> list[Match]:
    """The layers that `address` names, in the models' own order, with the filters and kernels it selects.

    Raises
    ------
    NotFoundError
        Where there is no such model, layer, filter or kernel; names what comes closest.
    """
    with catalog.connect() as connection:
        named = {row["id"]: row for row in _models_named(connection, address.model)}
        chosen = _layers_named(connection, list(named), address.layer or "*")
    matches = [_match(named[row["model_id"]], row, address) for row in chosen]
    if not any(match.filters and match.kernels for match in matches):
        raise NotFoundError(f"'{address}' selects none of the filters or kernels there")
    return [match for match in matches if match.filters and match.kernels]


def filter_labels(catalog: Catalog, match: Match) -> tuple[str, ...]:
    """The labels of all filters of a layer, in order; empty where they have none."""
    query = sa.select(filter_.c.label).where(filter_.c.layer_id == match.layer["id"])
    with catalog.connect() as connection:
        labels = connection.scalars(query.order_by(filter_.c.position)).all()
    return tuple(label or "" for label in labels) if any(labels) else ()


def plugins_of_models(catalog: Catalog) -> dict[str, list[str]]:
    """From each plugin that made rows to the names of the models it made them for."""
    with catalog.connect() as connection:
        rows = connection.execute(sa.select(model.c.name, model.c.plugins).order_by(model.c.name)).all()
    made: dict[str, list[str]] = {}
    for name, plugins in rows:
        for plugin in plugins:
            made.setdefault(plugin, []).append(name)
    return made


def model_names(catalog: Catalog, prefix: str = "") -> list[str]:
    """Names of models that begin with `prefix`, for completion."""
    with catalog.connect() as connection:
        names = connection.scalars(sa.select(model.c.name).order_by(model.c.name))
        return [name for name in names if name.startswith(prefix)]


def layer_addresses(catalog: Catalog, prefix: str = "") -> list[str]:
    """Addresses of layers that begin with `prefix`, e.g. ``vgg16/block1``, for completion."""
    name = prefix.partition("/")[0]
    query = _select({"address": rows.LAYERS["address"]}).join_from(model, layer).where(model.c.name == name)
    with catalog.connect() as connection:
        addresses = connection.scalars(query.order_by(layer.c.position))
        return [address for address in addresses if address.startswith(prefix)]


def _models_named(connection: sa.Connection, pattern: str) -> Sequence[Mapping[str, Any]]:
    query = sa.select(model).order_by(model.c.name)
    exact = connection.execute(query.where(model.c.name == pattern)).mappings().all()
    if exact:
        return [dict(row) for row in exact]
    names = connection.scalars(sa.select(model.c.name)).all()
    wanted = matching(pattern, names)
    if not wanted:
        hint = closest(pattern, names) if names else "`filterkit add vgg16` adds one"
        raise NotFoundError(f"there is no model '{pattern}' in the catalog", hint=hint)
    found = connection.execute(query.where(_among(model.c.name, wanted))).mappings()
    return [dict(row) for row in found]


def _layers_named(connection: sa.Connection, models: Sequence[int], pattern: str) -> list[Mapping[str, Any]]:
    of_models = _among(layer.c.model_id, models)
    query = sa.select(layer).join_from(model, layer).where(of_models).order_by(model.c.name, layer.c.position)
    found = connection.execute(query.where(layer.c.name == pattern)).mappings().all()
    if not found:
        names = connection.scalars(sa.select(layer.c.name).where(of_models).distinct()).all()
        wanted = matching(pattern, names)
        if not wanted:
            raise NotFoundError(f"there is no layer '{pattern}' there", hint=closest(pattern, names))
        found = connection.execute(query.where(_among(layer.c.name, wanted))).mappings().all()
    return [dict(row) for row in found]


def _match(model_row: Mapping[str, Any], layer_row: Mapping[str, Any], address: Address) -> Match:
    name = f"{model_row['name']}/{layer_row['name']}"
    count = layer_row["filters"]
    each = layer_row["kernels"] // count
    return Match(
        model_row,
        layer_row,
        _selected(address.filters, count, f"filters of {name}"),
        _selected(address.kernels, each, f"kernels of each filter of {name}"),
        address,
    )


def _selected(selection: Selection | None, count: int, what: str) -> Sequence[int]:
    return range(count) if selection is None else selection.indices(count, what)


def _filters_chosen(matches: Sequence[Match], address: Address) -> list[rows.Column]:
    if address.filters is None:
        return [_among(layer.c.id, [match.layer["id"] for match in matches])]
    pairs = [(match.layer["id"], position) for match in matches for position in match.filters]
    each = sa.func.json_each(json.dumps(pairs)).table_valued("value")
    chosen = sa.select(sa.func.json_extract(each.c.value, "$[0]"), sa.func.json_extract(each.c.value, "$[1]"))
    return [sa.tuple_(filter_.c.layer_id, filter_.c.position).in_(chosen)]


def _among(column: rows.Column, values: Sequence[Any]) -> rows.Column:
    """``column in values`` with one bound parameter, however many values there are."""
    each = sa.func.json_each(json.dumps(values)).table_valued("value")
    return column.in_(sa.select(each.c.value))


def _select(columns: Mapping[str, rows.Column]) -> sa.Select[Any]:
    return sa.select(*(column.label(name) for name, column in columns.items()))


def _listing(catalog: Catalog, query: sa.Select[Any]) -> list[Row]:
    with catalog.connect() as connection:
        found = connection.execute(query).mappings()
        return [{name: rows.integral(value) for name, value in row.items()} for row in found]


def _stream(catalog: Catalog, query: sa.Select[Any]) -> Iterator[Row]:
    with catalog.connect() as connection:
        result = connection.execution_options(yield_per=STREAMED).execute(query)
        names = tuple(result.keys())
        for values in result:
            yield dict(zip(names, values, strict=True))
