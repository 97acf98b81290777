"""Listings of filters as SQL statements. Each is built once: SQLite answers one quicker than it is built."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.sql.operators import custom_op

from filterkit.catalog import rows
from filterkit.catalog.choosing import Chosen, Kind, is_chosen
from filterkit.catalog.database import Catalog
from filterkit.catalog.matches import Column
from filterkit.catalog.schema import filter_, layer, model
from filterkit.catalog.values import Check, Looks, check_of, damaged_value, looks_at, sound_rows
from filterkit.errors import UnknownNameError

Row = dict[str, Any]

FILTER_COLUMNS = tuple(rows.FILTERS)

ADDRESS_PARTS = ("model", "layer", "filter")

KEPT = 100
"""How many questions are remembered."""


@dataclass(frozen=True, slots=True)
class Question:
    """A listing of filters.

    Attributes
    ----------
    names
        The columns of its rows.
    statement, parameters
        In SQL, and what is bound to its question marks in turn: names in `values`, ``chosen`` or ``limit``.
    looks
        How the values of the statement's own columns are looked at.
    lists
        Places of those that hold JSON, each with what checks the value once it is read.
    parts
        Places of model, layer and filter, of which an address is made here: SQLite would make it of every
        row that it sorts. They may lie behind the columns. Empty where no address is asked for.
    """

    names: tuple[str, ...]
    statement: str
    parameters: tuple[str, ...]
    values: Mapping[str, Any]
    looks: Looks
    lists: tuple[tuple[int, Check], ...]
    parts: tuple[int, ...]

    def rows(self, catalog: Catalog, chosen: Chosen, limit: int | None) -> Iterator[Row]:
        """The rows, streamed."""
        bound = {**self.values, "chosen": chosen.value, "limit": -1 if limit is None else limit}
        parameters = [bound[name] for name in self.parameters]
        with catalog.read() as reading, closing(reading.execute(self.statement, parameters)) as found:
            for values in sound_rows(found, self.looks):
                row = dict(zip(self.names, values, strict=False))
                for place, check in self.lists:
                    parsed = values[place] and json.loads(values[place])
                    if not check(parsed):
                        raise damaged_value(self.names[place], parsed)
                    row[self.names[place]] = parsed
                if self.parts:
                    of_model, of_layer, number = self.parts
                    row["address"] = f"{values[of_model]}/{values[of_layer]}/{values[number]}"
                yield row


@lru_cache(KEPT)
def question(
    kind: Kind,
    extra: tuple[str, ...],
    extra_of_layers: tuple[str, ...],
    *,
    columns: tuple[str, ...] | None,
    where: str | None,
    sort: str | None,
    limited: bool,
) -> Question:
    """The listing of `columns` of the filters of a `Chosen` that meet a condition.

    Raises
    ------
    UsageError
        Where the condition cannot be read, or there is no such column.
    """
    known = rows.searchable(extra, extra_of_layers)
    names = FILTER_COLUMNS + extra if columns is None else tuple(dict.fromkeys(columns))
    fetched = {name: column_named(name, known) for name in names}
    if "address" in fetched:
        fetched |= {"address": sa.null(), **{part: known[part] for part in ADDRESS_PARTS}}
    if not (kind == "all" and limited and sort and sort.removeprefix("-") == "orientation_strength"):
        known = _without_index(known)
    query = asked(sa.select(*(column.label(name) for name, column in fetched.items())), kind)
    if where is not None:
        query = query.where(condition(where, known))
    # The filters' own key comes last: SQLite then walks its tree in order, and need not sort.
    query = in_order(query, sort, known).order_by(filter_.c.layer_id, filter_.c.position)
    compiled = query.limit(sa.bindparam("limit")).compile(dialect=dialect())
    order = list(fetched)
    return Question(
        names,
        str(compiled),
        tuple(compiled.positiontup or ()),
        compiled.params,
        looks_at(fetched),
        tuple(
            (place, check_of(column))
            for place, column in enumerate(fetched.values())
            if isinstance(column.type, sa.JSON)
        ),
        tuple(order.index(part) for part in ADDRESS_PARTS) if "address" in fetched else (),
    )


def asked(query: sa.Select[Any], kind: Kind) -> sa.Select[Any]:
    """`query` over the filters of a `Chosen` of this kind, with their layers and models."""
    return query.select_from(filter_).join(layer).join(model).where(is_chosen(kind))


def condition(where: str, columns: Mapping[str, Column]) -> Column:
    """See `parse_condition`."""
    from filterkit.catalog.conditions import parse_condition

    return parse_condition(where, columns)


def column_named(name: str, columns: Mapping[str, Column]) -> Column:
    """The column of that name; UnknownNameError with the closest names where there is none."""
    if name not in columns:
        message, hint = rows.no_column(name, columns)
        raise UnknownNameError(message, name=name, hint=hint)
    return columns[name]


def in_order(query: sa.Select[Any], sort: str | None, columns: Mapping[str, Column]) -> sa.Select[Any]:
    """`query` sorted by a column, the largest first with ``-`` in front; what has no value comes last."""
    if not sort:
        return query
    column = column_named(sort.removeprefix("-"), columns)
    return query.order_by((sa.desc(column) if sort.startswith("-") else column).nulls_last())


def _without_index(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The same with a ``+`` before what the index begins with: SQLite would take the index wherever it can.

    It is right for the first few filters of a type in its own order. To any other question it gives rows
    in no order that helps, each to be fetched by itself.
    """
    column = columns["classic_type"]
    fetched = sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)
    return {**columns, "classic_type": fetched, "filter.classic_type": fetched}
