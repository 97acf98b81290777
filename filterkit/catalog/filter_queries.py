"""Asking for filters: which ones an address and a condition choose, listed, counted or grouped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import rows
from filterkit.catalog.choosing import choose
from filterkit.catalog.database import Catalog
from filterkit.catalog.matches import Column, Match
from filterkit.catalog.questions import asked, condition, in_order, question
from filterkit.catalog.schema import filter_, layer, model
from filterkit.catalog.values import check_rows, one_text
from filterkit.errors import UsageError, closest

Row = dict[str, Any]

GROUPS = ("layer", "model", "classic_type")
"""What filters can be grouped by."""


def filters(
    catalog: Catalog,
    address: Address,
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The filters that `address` names, streamed: the names of their columns, and one row per filter.

    Parameters and errors are those of `Workbench.iter_filters`; without `columns`, it is `FILTER_COLUMNS` and
    the metrics that plugins measured of these models.
    """
    _check_limit(limit)
    chosen = choose(catalog, address)
    asked_for = question(
        *(chosen.kind, chosen.extra, chosen.extra_of_layers),
        columns=None if columns is None else tuple(columns),
        where=where,
        sort=sort,
        limited=limit is not None,
    )
    return asked_for.names, asked_for.rows(catalog, chosen, limit)


def count_filters(catalog: Catalog, address: Address, *, where: str | None = None) -> int:
    """How many filters `address` names that meet the condition; parameters and errors as `filters`."""
    chosen = choose(catalog, address)
    query = asked(sa.select(sa.func.count()), chosen.kind)
    if where is not None:
        query = query.where(condition(where, chosen.columns))
    with catalog.connect() as connection:
        return int(connection.execute(query, {"chosen": chosen.value}).scalar_one())


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
    chosen = choose(catalog, address)
    known = chosen.columns
    meets = None if where is None else condition(where, known)
    keys: dict[str, Column] = {by: known[by]}
    if by == "layer":
        keys = {name: rows.LAYERS[name] for name in ("address", "model", "layer")}
    total = sa.func.count()
    found = total if meets is None else total.filter(meets)
    numbers: dict[str, Column] = {
        "filters": found,
        "share": sa.cast(found, sa.REAL) / sa.func.sum(found).over(),
    }
    if meets is not None:
        numbers |= {"total": total, "rate": sa.cast(found, sa.REAL) / total}
    columns = {**keys, **numbers}
    query = asked(sa.select(*(column.label(name) for name, column in columns.items())), chosen.kind)
    order = {"layer": layer.c.id, "model": model.c.id}.get(by)
    query = query.group_by(keys[by] if order is None else order).having(found > 0).limit(limit)
    query = in_order(query, sort, columns)
    query = query.order_by(sa.desc(found), keys[by].nulls_last()) if order is None else query.order_by(order)
    with catalog.connect() as connection:
        groups = connection.execute(query, {"chosen": chosen.value}).mappings()
        return tuple(columns), check_rows(groups, columns)


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
            given[layer_id][position] = one_text(label)
    named = ((given[match.layer["id"]], match.layer["filters"]) for match in matches)
    return [tuple(labels.get(n, "") for n in range(count)) if labels else () for labels, count in named]


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be 0 or more, not {limit}", hint="leave it out for all rows")
