"""Run one SELECT statement on the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from filterkit.errors import check_text
from filterkit.operations.measure import hint_measure

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session


def iter_query(
    session: Session,
    sql: str,
    *,
    timeout: float | None,
    limit: int | None,
    max_value: int | str | None,
    max_result: int | str | None,
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """See `Workbench.iter_query`."""
    from filterkit.catalog.selecting import check_limit
    from filterkit.catalog.sql import query

    check_text("a statement", sql)
    limit = check_limit(limit)
    with hint_measure(session, None):
        return query(
            session.catalog(), sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )
