"""Expressions and statements that are specific to SQLite: JSON, compiled statements, many rows at once.

Building a statement with SQLAlchemy, or passing thousands of rows through it, takes longer than SQLite needs
to run it. What is run often is compiled once; rows in bulk go to the driver as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import custom_op

Expression = sa.ColumnElement[Any]


def to_json(value: Any) -> str:
    """JSON as catalogs contain it: without spaces, so that equal lists are equal texts."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def json_values(value: Expression) -> sa.Select[Any]:
    """SELECT the values of a JSON list."""
    return sa.select(_each(value))


def json_pairs(value: Expression) -> sa.Select[Any]:
    """SELECT the first and the second value of each list in a JSON list of lists."""
    each = _each(value)
    return sa.select(sa.func.json_extract(each, "$[0]"), sa.func.json_extract(each, "$[1]"))


def json_field(column: Expression, name: str) -> Expression:
    """The field `name` of the JSON object in `column`: a number, a text, or NULL."""
    return sa.func.json_extract(column, f'$."{name}"', type_=sa.types.NullType())


def among(column: Expression, values: Sequence[Any]) -> Expression:
    """``column in values`` with one bound parameter, however many values there are."""
    if len(values) == 1:
        condition: Expression = column == values[0]
        return condition
    return column.in_(json_values(sa.literal(json.dumps(values))))


def without_index(column: Expression) -> Expression:
    """`column` with a ``+`` before it, which keeps SQLite from using an index of it."""
    return sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def compiled(query: sa.Select[Any]) -> SQLCompiler:
    """`query` as a statement of the driver, with a question mark for each parameter in `positiontup`."""
    statement = query.compile(dialect=dialect())
    assert isinstance(statement, SQLCompiler)
    return statement


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Mapping[str, Iterable[Any]]) -> None:
    """Insert rows given column by column, as the driver takes them; the shortest column ends them."""
    statement = (
        f'INSERT INTO "{table.name}" ({", ".join(map(_quoted, columns))}) '
        f"VALUES ({', '.join('?' * len(columns))})"
    )
    if rows := list(zip(*columns.values(), strict=False)):  # the driver takes no empty list
        connection.exec_driver_sql(statement, rows)


def update_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Mapping[str, Sequence[Any]],
    key: Mapping[str, Sequence[Any]],
    *,
    merged: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Update many rows.

    Parameters
    ----------
    columns
        The new values, one per row.
    key
        The columns that identify the rows, one value per row.
    merged
        JSON objects, one per row, whose fields are added to the object that the column already contains.
    """
    patches = merged or {}
    changes = [f"{_quoted(name)} = ?" for name in columns]
    changes += [f"{_quoted(name)} = json_patch(coalesce({_quoted(name)}, '{{}}'), ?)" for name in patches]
    if not changes:
        return
    where = " AND ".join(f"{_quoted(name)} = ?" for name in key)
    statement = f"UPDATE {_quoted(table.name)} SET {', '.join(changes)} WHERE {where}"
    objects = ([to_json(each) for each in values] for values in patches.values())
    rows = zip(*columns.values(), *objects, *key.values(), strict=True)
    connection.exec_driver_sql(statement, list(rows))


def integrity_errors(connection: sa.Connection, limit: int) -> list[str]:
    """What SQLite finds wrong with the structure of the file, at most `limit` messages; reads all of it."""
    found = connection.exec_driver_sql(f"PRAGMA integrity_check({limit})").scalars().all()
    return [" ".join(str(line).split()) for line in found if line != "ok"]


def count_orphans(connection: sa.Connection) -> int:
    """How many rows refer to a row that does not exist."""
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def _each(value: Expression) -> Expression:
    each: Expression = sa.func.json_each(value).table_valued("value").c.value
    return each


def _quoted(name: str) -> str:
    return f'"{name}"'
