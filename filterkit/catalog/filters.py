"""Listing and counting the filters that an address and a condition select.

Statements of listings are cached: SQLite runs one faster than it is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import listings
from filterkit.catalog.addresses import BRIEF_MODEL, Column, Match, find, models_named
from filterkit.catalog.database import Catalog
from filterkit.catalog.responses import RESPONSES, are_observed, extra_responses, with_responses
from filterkit.catalog.schema import filter_, layer, model
from filterkit.catalog.selecting import check_limit, check_offset, column_named, in_order, names_in
from filterkit.catalog.sqlite.statements import compiled, json_pairs, json_values, without_index
from filterkit.catalog.validation import (
    Check,
    RowChecks,
    check_of,
    checked_text,
    damaged_value,
    row_checks,
    validated_rows,
)
from filterkit.catalog.where import parse_condition

Row = dict[str, Any]

CheckModels = Callable[[Iterable[Mapping[str, Any]]], None]

Kind = Literal["all", "layer", "layers", "filters"]

_EXTRA_METRICS = (
    "SELECT extra_metrics, extra_layer_metrics FROM model "
    "WHERE extra_metrics <> '[]' OR extra_layer_metrics <> '[]' "
    "UNION ALL SELECT '[]', '[]' WHERE EXISTS (SELECT 1 FROM model)"
)
"""At least one row if there is a model. An index contains just the models with such metrics."""


FILTER_COLUMNS = tuple(listings.FILTERS)

ADDRESS_PARTS = ("model", "layer", "filter")

CACHED_LISTINGS = 100


def filters(
    catalog: Catalog,
    address: Address,
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    sort: str | Iterable[str] | None = None,
    limit: int | None = None,
    offset: int = 0,
    observation: str | None = None,
    check_models: CheckModels | None = None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """List the filters that `address` names: the names of columns, and a stream of one row per filter.

    Parameters and errors are those of `Workbench.iter_filters`; the default `columns` are `FILTER_COLUMNS`
    and the metrics that plugins measured for these models, and the responses if they were observed.
    `check_models` is passed to `select`.
    """
    limit, offset = check_limit(limit), check_offset(offset)
    selected = select(catalog, address, check_models, observation)
    asked = listing(
        *(selected.kind, selected.extra, selected.extra_of_layers),
        columns=None if columns is None else tuple(columns),
        where=where,
        sort=names_in(sort, "sort"),
        limited=limit is not None,
        observed=selected.observed,
        named=observation is not None,
        extra_of_responses=selected.extra_of_responses,
    )
    return asked.names, asked.rows(catalog, selected, limit, offset)


def count_filters(
    catalog: Catalog,
    address: Address,
    *,
    where: str | None = None,
    observation: str | None = None,
    check_models: CheckModels | None = None,
) -> int:
    """Count the filters of `address` that meet the condition; parameters and errors as in `filters`."""
    selected = select(catalog, address, check_models, observation)
    query = over_filters(sa.select(sa.func.count()), selected.kind)
    if where is not None:
        query = query.where(parse_condition(where, selected.columns))
        query = with_responses(query, observed=selected.observed, named=observation is not None)
    with catalog.connect() as connection:
        return int(connection.execute(query, selected.parameters).scalar_one())


_LABELS = sa.select(filter_.c.layer_id, filter_.c.position, filter_.c.label).where(
    filter_.c.layer_id.in_(json_values(sa.bindparam("layers"))),
    filter_.c.label != "",
)


def filter_labels(catalog: Catalog, matches: Sequence[Match]) -> list[tuple[str, ...]]:
    """The labels of all filters of each layer, in order; an empty tuple if none of them has a label."""
    given: dict[int, dict[int, str]] = {match.layer["id"]: {} for match in matches}
    with catalog.connect() as connection:
        for layer_id, position, label in connection.execute(_LABELS, {"layers": json.dumps(list(given))}):
            given[layer_id][position] = checked_text(label)
    named = ((given[match.layer["id"]], match.layer["filters"]) for match in matches)
    return [tuple(labels.get(n, "") for n in range(count)) if labels else () for labels, count in named]


@dataclass(frozen=True, slots=True)
class Selected:
    """The filters that an address names.

    Attributes
    ----------
    kind, value
        ``"all"`` filters; those of one ``"layer"``, with its id as `value`; of several ``"layers"``, with a
        JSON list of their ids; or single ``"filters"``, with a JSON list of layer ids and positions.
    extra, extra_of_layers
        The metrics that plugins measured for filters and for layers of these models.
    observed
        Whether any of these filters was observed.
    observation
        The name of an observation, or None for the newest.
    extra_of_responses
        The response metrics of plugins in these observations.
    """

    kind: Kind
    value: int | str | None
    extra: tuple[str, ...]
    extra_of_layers: tuple[str, ...]
    observed: bool = False
    observation: str | None = None
    extra_of_responses: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """What statements bind."""
        return {"selected": self.value, "observation": self.observation}

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that conditions and sort orders can name."""
        return listings.searchable(self.extra, self.extra_of_layers, self.extra_of_responses)


def select(
    catalog: Catalog,
    address: Address,
    check_models: CheckModels | None = None,
    observation: str | None = None,
) -> Selected:
    """The filters of `address`; `check_models` receives the rows of its models, with `listings.MEASURED`.

    Raises
    ------
    NotFoundError
        It names nothing, or has no `observation` of this name.
    """
    if str(address) == "*":
        with catalog.read() as reading:
            found = [tuple(map(_metric_names, lists)) for lists in reading.execute(_EXTRA_METRICS)]
        if found and check_models is not None:
            with catalog.connect() as connection:
                check_models(models_named(connection, "*", listings.MEASURED))
        if found:
            observed = are_observed(catalog, None, observation)
            of_responses = extra_responses(catalog, None, observation) if observed else ()
            return Selected("all", None, *_extra(found), observed, observation, of_responses)
    columns = BRIEF_MODEL if check_models is None else (*BRIEF_MODEL, model.c.measured)
    with catalog.connect() as connection:
        matches = find(connection, address, columns)
    if check_models is not None:
        check_models({match.model["id"]: match.model for match in matches}.values())
    extra = _extra((match.model["extra_metrics"], match.model["extra_layer_metrics"]) for match in matches)
    ids = [match.layer["id"] for match in matches]
    observed = are_observed(catalog, ids, observation)
    of_responses = extra_responses(catalog, ids, observation) if observed else ()
    of = (*extra, observed, observation, of_responses)
    if address.filters is not None:
        pairs = [(match.layer["id"], position) for match in matches for position in match.filters]
        return Selected("filters", json.dumps(pairs), *of)
    return Selected("layer", ids[0], *of) if len(ids) == 1 else Selected("layers", json.dumps(ids), *of)


def _is_selected(kind: Kind) -> Column:
    """The condition for the filters of a `Selected`, whose value is bound as ``selected``."""
    value: Column = sa.bindparam("selected")
    if kind == "filters":
        return sa.tuple_(filter_.c.layer_id, filter_.c.position).in_(json_pairs(value))
    if kind == "layers":
        return filter_.c.layer_id.in_(json_values(value))
    return filter_.c.layer_id == value if kind == "layer" else sa.true()


def _metric_names(stored: Any) -> list[str]:
    names: list[str] = json.loads(stored)
    if not check_of(model.c.extra_metrics)(names):
        raise damaged_value("extra_metrics", stored)
    return names


def _extra(pairs: Iterable[Sequence[list[str]]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names in the first and in the second list of all pairs, without duplicates."""
    of_filters, of_layers = zip(*pairs, strict=True)
    return tuple(dict.fromkeys(chain(*of_filters))), tuple(dict.fromkeys(chain(*of_layers)))


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of filters.

    Attributes
    ----------
    names
        The columns of its rows.
    statement, parameters
        The SQL, and the names of what is bound to its question marks: from `values`, or ``selected``,
        ``limit`` or ``offset``.
    checks
        The checks for the columns of the statement.
    lists
        The positions of columns stored as JSON, each with the check for the parsed value.
    parts
        The positions of model, layer and filter, from which the address is built here: SQLite would build it
        for every row that it sorts. They may come after the columns. Empty if no address is requested.
    """

    names: tuple[str, ...]
    statement: str
    parameters: tuple[str, ...]
    values: Mapping[str, Any]
    checks: RowChecks
    lists: tuple[tuple[int, Check], ...]
    parts: tuple[int, ...]

    def rows(self, catalog: Catalog, selected: Selected, limit: int | None, offset: int) -> Iterator[Row]:
        """The rows, streamed."""
        part = {"limit": -1 if limit is None else limit, "offset": offset}
        bound = {**self.values, **selected.parameters, **part}
        parameters = [bound[name] for name in self.parameters]
        with catalog.read() as reading, closing(reading.execute(self.statement, parameters)) as found:
            for values in validated_rows(found, self.checks):
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


@lru_cache(CACHED_LISTINGS)
def listing(
    kind: Kind,
    extra: tuple[str, ...],
    extra_of_layers: tuple[str, ...],
    *,
    columns: tuple[str, ...] | None,
    where: str | None,
    sort: tuple[str, ...],
    limited: bool,
    observed: bool = False,
    named: bool = False,
    extra_of_responses: tuple[str, ...] = (),
) -> Listing:
    """The listing of `columns` for the filters of a `Selected` that meet a condition.

    Raises
    ------
    UsageError
        The condition is invalid, or there is no such column.
    """
    known = listings.searchable(extra, extra_of_layers, extra_of_responses)
    every = FILTER_COLUMNS + extra + (tuple(RESPONSES) + extra_of_responses if observed else ())
    names = tuple(dict.fromkeys(every if columns is None else columns))
    fetched = {name: column_named(name, known) for name in names}
    if "address" in fetched:
        fetched |= {"address": sa.null(), **{part: known[part] for part in ADDRESS_PARTS}}
    if not (
        kind == "all" and limited and [name.removeprefix("-") for name in sort] == ["orientation_strength"]
    ):
        known = without_type_index(known)
    query = over_filters(sa.select(*(column.label(name) for name, column in fetched.items())), kind)
    if where is not None:
        query = query.where(parse_condition(where, known))
    # The primary key of filters comes last: SQLite then walks its tree in order, without sorting.
    query = in_order(query, sort, known).order_by(filter_.c.layer_id, filter_.c.position)
    query = with_responses(query, observed=observed, named=named)
    statement = compiled(query.limit(sa.bindparam("limit")).offset(sa.bindparam("offset")))
    order = list(fetched)
    return Listing(
        names,
        str(statement),
        tuple(statement.positiontup or ()),
        statement.params,
        row_checks(fetched),
        tuple(
            (place, check_of(column))
            for place, column in enumerate(fetched.values())
            if isinstance(column.type, sa.JSON)
        ),
        tuple(order.index(part) for part in ADDRESS_PARTS) if "address" in fetched else (),
    )


def over_filters(query: sa.Select[Any], kind: Kind, *, by_layer: bool = False) -> sa.Select[Any]:
    """`query` from the filters of a `Selected` of this kind, joined with their layers and models.

    With `by_layer`, SQLite reads the filters of one layer after the other, in the order in which they are
    stored.
    """
    of_layer = filter_.c.layer_id == (without_index(layer.c.id) if by_layer else layer.c.id)
    return query.select_from(filter_).join(layer, of_layer).join(model).where(_is_selected(kind))


def without_type_index(columns: Mapping[str, Column]) -> dict[str, Column]:
    """`columns` that do not use the index on ``classic_type``, which SQLite uses wherever it can.

    The index suits the first few filters of a type in its own order. For any other query its rows are in no
    useful order, and each has to be fetched separately.
    """
    fetched = without_index(columns["classic_type"])
    return {**columns, "classic_type": fetched, "filter.classic_type": fetched}
