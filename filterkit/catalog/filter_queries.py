"""Asking for filters: which ones an address and a condition choose, listed, counted or grouped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import rows
from filterkit.catalog.database import Catalog
from filterkit.catalog.matches import Column, Match, filters_chosen, find, models_named
from filterkit.catalog.schema import filter_, layer, model
from filterkit.errors import UsageError, closest

Row = dict[str, Any]

FILTER_COLUMNS = tuple(rows.FILTERS)

GROUPS = ("layer", "model", "classic_type")
"""What filters can be grouped by."""

STREAMED = 1000
"""How many filters are fetched at a time."""

ADDRESS_PARTS = ("model", "layer", "filter")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The filters that an address names, and the condition that is put on them.

    Attributes
    ----------
    named, condition
        What holds for the filters of the address, and for those that are asked for; None for all.
    columns
        What conditions and orders can name.
    extra
        The metrics that plugins measured of these models.
    """

    named: Column | None
    condition: Column | None
    columns: Mapping[str, Column]
    extra: tuple[str, ...]

    def of(self, query: sa.Select[Any], *conditions: Column | None) -> sa.Select[Any]:
        """`query` over these filters, their layers and models."""
        query = query.select_from(filter_).join(layer).join(model)
        return query.where(*(each for each in (self.named, *conditions) if each is not None))


def filters(
    catalog: Catalog,
    address: Address,
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The filters that `address` names, streamed.

    Parameters
    ----------
    columns
        Which columns of the filter and of its layer, in which order; None for `FILTER_COLUMNS` and the
        metrics that plugins measured of these models.
    where
        A condition over such columns, e.g. ``"l1_norm > 2 and in_channels = 3"``.
    sort
        A column, with ``-`` in front for the largest first. Without it: in the catalog's order.
    limit
        How many at most.

    Returns
    -------
    columns
        Their names.
    rows
        One per filter.

    Raises
    ------
    NotFoundError
        Where the address names nothing.
    UsageError
        Where the condition cannot be read, or there is no such column.
    """
    _check_limit(limit)
    chosen = _choose(catalog, address, where)
    names = FILTER_COLUMNS + chosen.extra if columns is None else tuple(dict.fromkeys(columns))
    wanted = {name: _column_named(name, chosen.columns) for name in names}
    if wanted.pop("address", None) is not None:
        # It is made of its parts here: SQLite would make it of every row that it sorts.
        wanted |= {part: chosen.columns[part] for part in ADDRESS_PARTS}
    query = chosen.of(sa.select(*(column.label(name) for name, column in wanted.items())), chosen.condition)
    # The filters' own key comes last: SQLite then walks its tree in order, and need not sort.
    query = _sorted(query, sort, chosen.columns).order_by(filter_.c.layer_id, filter_.c.position)
    return names, _stream(catalog, query.limit(limit), names, tuple(wanted))


def count_filters(catalog: Catalog, address: Address, *, where: str | None = None) -> int:
    """How many filters `address` names that meet the condition; parameters and errors as `filters`."""
    chosen = _choose(catalog, address, where)
    with catalog.connect() as connection:
        return int(connection.execute(chosen.of(sa.select(sa.func.count()), chosen.condition)).scalar_one())


def group_filters(
    catalog: Catalog,
    address: Address,
    by: str,
    *,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> tuple[tuple[str, ...], list[Row]]:
    """How the filters that `address` names spread over layers, models or classic types.

    Parameters
    ----------
    by
        One of `GROUPS`.
    where
        A condition that the filters have to meet.
    sort
        One of the columns returned, with ``-`` in front for the largest first. Without it: layers and
        models in the catalog's order, types by how often they occur.
    limit
        How many groups at most.

    Returns
    -------
    columns
        What names a group (``address``, ``model`` and ``layer`` for layers), then ``filters``: how many it
        has, and ``share``: of all that were found. With a condition also ``total``: how many filters of the
        group the address names, and ``rate``: the part of these that meets the condition.
    rows
        One per group that has any.

    Raises
    ------
    NotFoundError, UsageError
        As `filters`; `by` or `sort` names nothing.
    """
    _check_limit(limit)
    if by not in GROUPS:
        raise UsageError(f"filters are not grouped by '{by}'", hint=closest(by, GROUPS))
    chosen = _choose(catalog, address, where)
    keys: dict[str, Column] = {by: chosen.columns[by]}
    if by == "layer":
        keys = {name: rows.LAYERS[name] for name in ("address", "model", "layer")}
    total = sa.func.count()
    found = total if chosen.condition is None else total.filter(chosen.condition)
    numbers: dict[str, Column] = {
        "filters": found,
        "share": sa.cast(found, sa.REAL) / sa.func.sum(found).over(),
    }
    if chosen.condition is not None:
        numbers |= {"total": total, "rate": sa.cast(found, sa.REAL) / total}
    columns = {**keys, **numbers}
    query = chosen.of(sa.select(*(column.label(name) for name, column in columns.items())))
    order = {"layer": layer.c.id, "model": model.c.id}.get(by)
    query = query.group_by(keys[by] if order is None else order).having(found > 0).limit(limit)
    query = _sorted(query, sort, columns)
    query = query.order_by(sa.desc(found), keys[by].nulls_last()) if order is None else query.order_by(order)
    with catalog.connect() as connection:
        return tuple(columns), [dict(row) for row in connection.execute(query).mappings()]


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


def _choose(catalog: Catalog, address: Address, where: str | None) -> _Chosen:
    everything = str(address) == "*"
    with catalog.connect() as connection:
        models = models_named(connection, address.model)
        matches = [] if everything else find(connection, address)
    extra, of_layers = (
        tuple(dict.fromkeys(name for row in models for name in row[column]))
        for column in ("extra_metrics", "extra_layer_metrics")
    )
    columns = rows.searchable(extra, of_layers)
    condition = None
    if where is not None:
        from filterkit.catalog.conditions import parse_condition

        condition = parse_condition(where, columns)
    return _Chosen(None if everything else filters_chosen(matches, address), condition, columns, extra)


def _column_named(name: str, columns: Mapping[str, Column]) -> Column:
    if name not in columns:
        raise UsageError(f"there is no column '{name}'", hint=closest(name, columns))
    return columns[name]


def _sorted(query: sa.Select[Any], sort: str | None, columns: Mapping[str, Column]) -> sa.Select[Any]:
    if not sort:
        return query
    column = _column_named(sort.removeprefix("-"), columns)
    return query.order_by((sa.desc(column) if sort.startswith("-") else column).nulls_last())


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise UsageError(f"a limit of {limit} makes no sense", hint="give a number from 0 up")


def _stream(
    catalog: Catalog, query: sa.Select[Any], names: tuple[str, ...], fetched: tuple[str, ...]
) -> Iterator[Row]:
    """Rows with the keys `names`; the query's columns are `fetched`: the same, or parts of the address."""
    place = names.index("address") if "address" in names else None
    parts = [fetched.index(part) for part in ADDRESS_PARTS] if place is not None else []
    with catalog.connect() as connection:
        for values in connection.execution_options(yield_per=STREAMED).execute(query):
            if place is None:
                yield dict(zip(names, values, strict=True))
            else:
                address = "/".join(str(values[part]) for part in parts)
                yield dict(
                    zip(names, (*values[:place], address, *values[place : len(names) - 1]), strict=True)
                )
