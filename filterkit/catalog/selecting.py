"""What listings have in common: conditions, sort orders and limits, on the catalog or on rows in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.listings import Column, no_column
from filterkit.catalog.sqlite.statements import insert_rows
from filterkit.catalog.where import parse_condition
from filterkit.errors import UnknownNameError, UsageError


def names_in(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """Names as a tuple; in a text they are separated by commas."""
    parts = names.split(",") if isinstance(names, str) else names or ()
    return tuple(name.strip() for name in parts if name.strip())


def check_limit(limit: int | None) -> None:
    """Raise UsageError if `limit` is negative."""
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be 0 or more, not {limit}", hint="omit it for all rows")


def column_named(name: str, columns: Mapping[str, Column]) -> Column:
    """The column of that name; raises UnknownNameError with the closest names if there is none."""
    if name not in columns:
        message, hint = no_column(name, columns)
        raise UnknownNameError(message, name=name, hint=hint)
    return columns[name]


def in_order(query: sa.Select[Any], sort: Iterable[str], columns: Mapping[str, Column]) -> sa.Select[Any]:
    """`query` sorted by each of `sort` in turn, in descending order if prefixed with ``-``; NULL is last."""
    for name in sort:
        column = column_named(name.removeprefix("-"), columns)
        query = query.order_by((sa.desc(column) if name.startswith("-") else column).nulls_last())
    return query


def select_rows(
    rows: Sequence[Mapping[str, Any]],
    types: Mapping[str, type],
    *,
    where: str | None = None,
    sort: str | Iterable[str] | None = None,
    limit: int | None = None,
) -> list[int]:
    """The numbers of the rows that meet a condition, sorted: what `filters` does on the catalog, in memory.

    Parameters
    ----------
    types
        The type of every column: str, float, int or bool.
    where, sort, limit
        As in `Workbench.iter_filters`; rows that are equal in `sort` keep their order.

    Raises
    ------
    UsageError
        The condition is invalid, there is no such column, or `limit` is negative.
    """
    check_limit(limit)
    order = names_in(sort)
    if where is None and not order:
        return list(range(len(rows)))[:limit]
    number = sa.Column("row_number", sa.Integer, primary_key=True)
    of_kind: dict[type, type[sa.types.TypeEngine[Any]]] = {
        str: sa.Text,
        float: sa.REAL,
        int: sa.Integer,
        bool: sa.Integer,
    }
    table = sa.Table(
        "rows", sa.MetaData(), number, *(sa.Column(name, of_kind[types[name]]) for name in types)
    )
    columns = {name: table.c[name] for name in types}
    query = in_order(sa.select(number), order, columns).order_by(number).limit(limit)
    if where is not None:
        query = query.where(parse_condition(where, columns))
    memory = sa.create_engine("sqlite://")
    with memory.begin() as connection:
        table.create(connection)
        if rows:
            values = {name: [row[name] for row in rows] for name in types}
            insert_rows(connection, table, {"row_number": range(len(rows)), **values})
        found = list(connection.execute(query).scalars())
    memory.dispose()
    return found
