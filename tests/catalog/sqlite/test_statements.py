"""Statements specific to SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
import sqlalchemy as sa

from filterkit.catalog.sqlite.statements import (
    among,
    compiled,
    count_orphans,
    insert_rows,
    integrity_errors,
    json_pairs,
    json_values,
    update_rows,
)

table = sa.Table(
    "item",
    sa.MetaData(),
    sa.Column("group", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("size", sa.REAL),
    sa.Column("extra", sa.JSON(none_as_null=True)),
)


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    with sa.create_engine("sqlite://").connect() as connection:
        table.create(connection)
        insert_rows(connection, table, {"group": repeat(7), "position": range(3), "size": [0.5, None, 2.0]})
        yield connection


def rows(connection: sa.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(sa.select(table).order_by(table.c.position))]


def test_rows_are_inserted_column_by_column(connection: sa.Connection) -> None:
    assert rows(connection) == [(7, 0, 0.5, None), (7, 1, None, None), (7, 2, 2.0, None)]


def test_rows_are_updated_and_json_objects_are_merged(connection: sa.Connection) -> None:
    key = {"group": [7, 7], "position": [1, 2]}
    update_rows(connection, table, {"size": [1.5, 2.5]}, key)
    update_rows(connection, table, {}, key, merged={"extra": [{"a": 1}, {"a": 2}]})
    update_rows(connection, table, {"size": [3.5, 4.5]}, key, merged={"extra": [{"b": "x"}, {"a": 3}]})
    update_rows(connection, table, {}, key)
    assert rows(connection) == [(7, 0, 0.5, None), (7, 1, 3.5, {"a": 1, "b": "x"}), (7, 2, 4.5, {"a": 3})]


@pytest.mark.parametrize("wanted", [[], [1], [0, 2], list(range(5000))])
def test_among_takes_any_number_of_values(connection: sa.Connection, wanted: list[int]) -> None:
    query = sa.select(table.c.position).where(among(table.c.position, wanted)).order_by(table.c.position)
    assert list(connection.scalars(query)) == [position for position in range(3) if position in wanted]
    assert str(compiled(query)).count("?") == 1


def test_lists_and_pairs_are_read_from_json(connection: sa.Connection) -> None:
    listed = connection.execute(json_values(sa.literal("[3, null, 4]")))
    assert [value for (value,) in listed] == [3, None, 4]
    pairs = connection.execute(json_pairs(sa.literal("[[1, 2], [3, 4]]")))
    assert [tuple(pair) for pair in pairs] == [(1, 2), (3, 4)]


def test_an_intact_database_has_no_findings(connection: sa.Connection) -> None:
    assert integrity_errors(connection, 3) == []
    assert count_orphans(connection) == 0
