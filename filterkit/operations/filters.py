"""List, count and group the filters in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from filterkit.address import parse_address
from filterkit.operations.measure import hint_measure
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session


def iter_filters(
    session: Session,
    address: str,
    *,
    columns: Sequence[str] | None,
    where: str | None,
    sort: str | Iterable[str] | None,
    limit: int | None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """See `Workbench.iter_filters`."""
    from filterkit.catalog import filters

    with hint_measure(session, address):
        return filters.filters(
            session.catalog(), parse_address(address), columns=columns, where=where, sort=sort, limit=limit
        )


def count_filters(session: Session, address: str, *, where: str | None) -> int:
    """See `Workbench.count_filters`."""
    from filterkit.catalog import filters

    with hint_measure(session, address):
        return filters.count_filters(session.catalog(), parse_address(address), where=where)


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
) -> Rows:
    """See `Workbench.group_filters`."""
    from filterkit.catalog.groups import group_filters
    from filterkit.catalog.selecting import names_in

    order = names_in(sort)
    with hint_measure(session, address, results=[name.removeprefix("-") for name in order]):
        names, rows = group_filters(
            *(session.catalog(), parse_address(address), by),
            agg=agg,
            columns=columns,
            where=where,
            sort=order,
            limit=limit,
        )
    return Rows(rows, names)
