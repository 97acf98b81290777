"""Counting and aggregating the filters that an address and a condition select, by the values of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import listings
from filterkit.catalog.database import Catalog
from filterkit.catalog.filters import CheckModels, over_filters, select, without_type_index
from filterkit.catalog.listings import Column, Row
from filterkit.catalog.responses import with_responses
from filterkit.catalog.schema import layer, model
from filterkit.catalog.selecting import check_limit, column_named, in_order, names_in
from filterkit.catalog.validation import check_rows
from filterkit.catalog.where import parse_condition
from filterkit.errors import UsageError

IN_CATALOG_ORDER: Mapping[str, Column] = {"layer": layer.c.id, "model": model.c.id}
"""Groups that are listed in the catalog's order, by the keys of that order."""

IN_INDEX = ("classic_type", *IN_CATALOG_ORDER)
"""Columns by which filters are counted in an index."""

AGGREGATES: Mapping[str, Callable[[Column], Column]] = {
    "count": sa.func.count,
    "max": sa.func.max,
    "mean": lambda column: sa.func.avg(column, type_=sa.REAL),
    "min": sa.func.min,
    "sum": sa.func.sum,
}
"""What SQLite computes exactly in one pass; all ignore NULL."""

SYNONYMS = {
    "avg": "mean",
    "average": "mean",
    "maximum": "max",
    "minimum": "min",
    "n": "count",
    "total": "sum",
}
"""Names of other languages for them, for hints."""

OF_NUMBERS = ("mean", "sum")


def group_filters(
    catalog: Catalog,
    address: Address,
    by: str | Iterable[str],
    *,
    agg: str | Iterable[str] | None = None,
    columns: str | Iterable[str] | None = None,
    where: str | None = None,
    sort: str | Iterable[str] | None = None,
    limit: int | None = None,
    observation: str | None = None,
    check_models: CheckModels | None = None,
) -> tuple[dict[str, type | None], list[Row]]:
    """The columns, each with the type of its values, and the rows of `Workbench.group_filters`.

    It describes parameters and errors, too.
    """
    limit = check_limit(limit)
    keys = names_in(by, "group_by")
    if not keys:
        raise UsageError(
            "filters are grouped by no column", hint="e.g. by classic_type, or model,in_channels"
        )
    selected = select(catalog, address, check_models, observation)
    known = selected.columns
    # An index that has not all columns would lead to the rows in no useful order.
    by_layer = selected.kind in ("all", "layers") and (agg or where or not {*keys} <= {*IN_INDEX})
    if by_layer:
        known = without_type_index(known)
    meets = None if where is None else parse_condition(where, known)
    total = sa.func.count()
    found = total if meets is None else total.filter(meets)
    numbers: dict[str, Column] = {
        "filters": found,
        "share": sa.cast(found, sa.REAL) / sa.func.sum(found).over(),
    }
    if meets is not None:
        numbers |= {"total": total, "rate": sa.cast(found, sa.REAL) / total}
    for name, aggregate in _aggregates(agg, known):
        numbers[name] = aggregate if meets is None else aggregate.filter(meets)
    groups = _keys(keys, known, numbers)
    every = {**groups, **numbers}
    shown = every
    if columns is not None:
        shown = {name: column_named(name, every) for name in names_in(columns, "columns", required=True)}
    ordered = [IN_CATALOG_ORDER[key] for key in keys if key in IN_CATALOG_ORDER]
    others = [known[key] for key in keys if key not in IN_CATALOG_ORDER]
    chosen: sa.Select[Any] = sa.select(*(column.label(name) for name, column in shown.items()))
    query = over_filters(chosen, selected.kind, by_layer=bool(by_layer))
    query = query.group_by(*ordered, *others).having(found > 0).limit(limit)
    query = in_order(query, names_in(sort, "sort"), every).order_by(*ordered)
    if others:
        query = query.order_by(sa.desc(found), *(column.nulls_last() for column in others))
    query = with_responses(query, observed=selected.observed, named=observation is not None)
    with catalog.connect() as connection:
        rows = connection.execute(query, selected.parameters).mappings()
        return listings.value_types(shown), check_rows(rows, shown)


def _keys(
    names: Iterable[str], known: Mapping[str, Column], numbers: Mapping[str, Column]
) -> dict[str, Column]:
    """The columns that identify a group; a layer is identified by its address, too."""
    found: dict[str, Column] = {}
    for name in names:
        if name in numbers:
            raise UsageError(
                f"the groups have a column '{name}' of their own",
                hint=f"write layer.{name} for the layer's"
                if f"layer.{name}" in known
                else "group by another column",
            )
        if name == "layer":
            found |= {part: listings.LAYERS[part] for part in ("address", "model", "layer")}
        else:
            found[name] = column_named(name, known)
    return found


def _aggregates(
    wanted: str | Iterable[str] | None, known: Mapping[str, Column]
) -> Iterator[tuple[str, Column]]:
    """Name and expression of each ``function:column``."""
    for each in names_in(wanted, "agg"):
        function, colon, name = (part.strip() for part in each.partition(":"))
        if not colon:
            raise UsageError(f"'{each}' is not FUNCTION:COLUMN", hint="e.g. mean:l2_norm,max:sparsity")
        if function not in AGGREGATES:
            known_as = SYNONYMS.get(function.lower())
            hint = f"did you mean '{known_as}'?" if known_as else f"known: {', '.join(AGGREGATES)}"
            raise UsageError(f"cannot compute the {function} of groups", hint=hint)
        column = column_named(name, known)
        kind = _kind(column)
        if (kind == "lists" and function != "count") or (kind == "texts" and function in OF_NUMBERS):
            raise UsageError(
                f"{name} contains {kind}, which have no {function}",
                hint="count:" + name + " counts the filters that have one",
            )
        if function in OF_NUMBERS and kind == "any":  # a plugin's metric: SQLite takes texts for zeros
            column = sa.case((sa.func.typeof(column).in_(("integer", "real")), column))
        yield f"{function}_{name}", AGGREGATES[function](column)


def _kind(column: Column) -> str:
    kinds = {sa.JSON: "lists", sa.Text: "texts", sa.String: "texts", sa.types.NullType: "any"}
    return next((name for kind, name in kinds.items() if isinstance(column.type, kind)), "numbers")
