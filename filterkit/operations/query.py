"""Run one SELECT statement on the catalog; list the columns that it can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from filterkit.errors import check_text
from filterkit.operations.measure import hint_measure
from filterkit.results.rows import Rows

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


MEASURED = ("filter", "layer")
"""The tables with metrics."""


def columns() -> Rows:
    """See `Workbench.columns`."""
    from filterkit.catalog.schema import metadata
    from filterkit.charts.meanings import MEANINGS

    names = ("table", "column", "type", "meaning", "interpretation")
    rows = []
    for table in metadata.tables.values():
        for column in table.columns:
            points_at = ", ".join(f"{key.column.table.name}.{key.column.name}" for key in column.foreign_keys)
            meaning = column.comment or points_at
            interpretation = MEANINGS.get(column.name) if table.name in MEASURED else None
            values = (table.name, column.name, str(column.type), meaning, interpretation)
            rows.append(dict(zip(names, values, strict=True)))
    return Rows(rows, dict.fromkeys(names, str))
