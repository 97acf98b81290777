"""List, count and group the filters in the catalog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.operations.measure import hint_measure
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

Unmeasured = Callable[[list[str]], None]


def filters(
    session: Session,
    address: str,
    *,
    columns: str | Iterable[str] | None,
    where: str | None,
    sort: str | Iterable[str] | None,
    limit: int | None,
    offset: int,
    count: bool,
    group_by: str | Iterable[str] | None,
    agg: str | Iterable[str] | None,
    observation: str | None,
) -> Rows:
    """See `Workbench.filters`."""
    if agg is not None and group_by is None:
        raise UsageError("agg needs group_by", hint='e.g. group_by="layer"')
    if count and (offset or any(each is not None for each in (group_by, columns, sort, limit))):
        raise UsageError("columns, group_by, sort, limit and offset have no effect with count")
    if group_by is not None and offset:
        raise UsageError("offset has no effect with group_by")
    if count:
        found = count_filters(session, address, where=where, observation=observation, unmeasured=None)
        return Rows([{"filters": found}], ("filters",))
    selection: Any = {"columns": columns, "where": where, "sort": sort, "limit": limit, "unmeasured": None}
    selection["observation"] = observation
    if group_by is not None:
        return group_filters(session, address, by=group_by, agg=agg, **selection)
    names, rows = iter_filters(session, address, offset=offset, **selection)
    return Rows(rows, names)


def iter_filters(
    session: Session,
    address: str,
    *,
    columns: str | Iterable[str] | None,
    where: str | None,
    sort: str | Iterable[str] | None,
    limit: int | None,
    offset: int,
    observation: str | None,
    unmeasured: Unmeasured | None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """See `Workbench.iter_filters`."""
    from filterkit.catalog import filters
    from filterkit.catalog.selecting import check_where, names_in

    check_where(where)
    chosen = None if columns is None else names_in(columns, "columns", required=True)
    order = names_in(sort, "sort")
    with hint_measure(session, address):
        return filters.filters(
            *(session.catalog(), parse_address(address)),
            columns=chosen,
            where=where,
            sort=order,
            limit=limit,
            offset=offset,
            observation=observation,
            check_models=_checked(unmeasured, where, order, chosen),
        )


def count_filters(
    session: Session,
    address: str,
    *,
    where: str | None,
    observation: str | None,
    unmeasured: Unmeasured | None,
) -> int:
    """See `Workbench.count_filters`."""
    from filterkit.catalog import filters
    from filterkit.catalog.selecting import check_where

    check_where(where)
    with hint_measure(session, address):
        return filters.count_filters(
            *(session.catalog(), parse_address(address)),
            where=where,
            observation=observation,
            check_models=_checked(unmeasured, where),
        )


def group_filters(
    session: Session,
    address: str,
    *,
    by: str | Iterable[str],
    agg: str | Iterable[str] | None,
    columns: str | Iterable[str] | None,
    where: str | None,
    sort: str | Iterable[str] | None,
    limit: int | None,
    observation: str | None,
    unmeasured: Unmeasured | None,
) -> Rows:
    """See `Workbench.group_filters`."""
    from filterkit.catalog.groups import group_filters
    from filterkit.catalog.selecting import check_where, names_in

    check_where(where)
    keys, aggregates, order = names_in(by, "group_by"), names_in(agg, "agg"), names_in(sort, "sort")
    with hint_measure(session, address, results=[name.removeprefix("-") for name in order]):
        names, rows = group_filters(
            *(session.catalog(), parse_address(address), keys),
            agg=aggregates,
            columns=columns,
            where=where,
            sort=order,
            limit=limit,
            observation=observation,
            check_models=_checked(unmeasured, where, order, keys, aggregates),
        )
    return Rows(rows, names)


def _checked(
    unmeasured: Unmeasured | None, *requests: str | Iterable[str] | None
) -> Callable[[Iterable[Mapping[str, Any]]], None] | None:
    """A function that reports which models lack a metric that is named in one of `requests`."""
    from filterkit.catalog.listings import lacking

    texts = (request if isinstance(request, str) else " ".join(request or ()) for request in requests)
    names = re.findall(r"\w+", " ".join(texts))
    if unmeasured is None or not names:
        return None

    def check(models: Iterable[Mapping[str, Any]]) -> None:
        missing = lacking(models, names)
        if missing:
            unmeasured(missing)

    return check
