"""What listings have in common: conditions, sort orders and limits, on the catalog or on rows in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.listings import Column, no_column
from filterkit.catalog.sqlite.statements import insert_rows
from filterkit.catalog.where import parse_condition
from filterkit.errors import UnknownNameError, UsageError, check_number, check_text

NAMES = 'give names separated by commas, e.g. "layer,l2_norm", or leave it out'


def names_in(
    names: str | Iterable[str] | None, what: str = "names", *, required: bool = False
) -> tuple[str, ...]:
    """Names as a tuple; in a text they are separated by commas.

    Parameters
    ----------
    names
        None for none.
    what
        The parameter, for messages.
    required
        Whether an empty sequence is refused as well as an empty text.

    Raises
    ------
    UsageError
        `names` is neither text nor texts, or contains no name.
    """
    if names is None:
        return ()
    parts = names.split(",") if isinstance(names, str) else names
    if not isinstance(parts, Iterable):
        raise UsageError(f"{what} must be text or a list of texts, not {names!r}", hint=NAMES)
    parts = tuple(parts)
    for name in parts:
        check_text(f"each of {what}", name, hint=NAMES)
    found = tuple(name.strip() for name in parts if name.strip())
    if not found and (required or isinstance(names, str)):
        raise UsageError(f"{what} contains no name: {names!r}", hint=NAMES)
    return found


def check_limit(limit: int | None) -> int | None:
    """`limit` as an int; raises UsageError if it is negative or not a whole number."""
    if limit is None:
        return None
    check_number("limit", limit, whole=True)
    if limit < 0:
        raise UsageError(f"limit must be 0 or more, not {limit}", hint="omit it for all rows")
    return int(limit)


MOST_ROWS = (1 << 63) - 1
"""SQLite's largest whole number."""


def check_offset(offset: int) -> int:
    """`offset` as an int; raises UsageError if it is negative, too large, or not a whole number."""
    check_number("offset", offset, whole=True)
    if not 0 <= offset <= MOST_ROWS:
        raise UsageError(f"offset must be between 0 and {MOST_ROWS}, not {offset}")
    return int(offset)


def check_where(where: str | None) -> None:
    """Raise UsageError if a condition is not text."""
    if where is not None:
        check_text("a condition", where, hint='e.g. "l2_norm > 1"')


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
    limit = check_limit(limit)
    check_where(where)
    order = names_in(sort, "sort")
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
