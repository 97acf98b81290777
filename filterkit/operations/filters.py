"""List, count and group the filters in the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.operations.measure import hint_measure
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session


Grouping = Literal["layer", "model", "classic_type"]


def filters(
    session: Session,
    address: str,
    *,
    columns: Sequence[str] | str | None,
    where: str | None,
    sort: str | None,
    limit: int | None,
    count: bool,
    group_by: Grouping | None,
) -> Rows:
    """See `Workbench.filters`."""
    if columns is not None and (count or group_by):
        raise UsageError(f"columns has no effect with {'count' if count else 'group_by'}")
    if count and (group_by or sort or limit is not None):
        raise UsageError("group_by, sort and limit have no effect with count")
    if count:
        return Rows([{"filters": count_filters(session, address, where=where)}], ("filters",))
    if group_by:
        return group_filters(session, address, by=group_by, where=where, sort=sort, limit=limit)
    names, rows = iter_filters(session, address, columns=columns, where=where, sort=sort, limit=limit)
    return Rows(rows, names)


def iter_filters(
    session: Session,
    address: str,
    *,
    columns: Sequence[str] | str | None,
    where: str | None,
    sort: str | None,
    limit: int | None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """See `Workbench.iter_filters`."""
    from filterkit.catalog import filters

    if isinstance(columns, str):
        columns = [name.strip() for name in columns.split(",")]
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
    session: Session, address: str, *, by: str, where: str | None, sort: str | None, limit: int | None
) -> Rows:
    """See `Workbench.group_filters`."""
    from filterkit.catalog import filters

    with hint_measure(session, address, result=sort and sort.removeprefix("-")):
        columns, rows = filters.group_filters(
            session.catalog(), parse_address(address), by, where=where, sort=sort, limit=limit
        )
    return Rows(rows, columns)
