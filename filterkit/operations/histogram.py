"""Count filters by ranges of a column, and by the conditions that people ask for first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from filterkit.address import parse_address
from filterkit.errors import UsageError, check_number
from filterkit.operations.filters import count_filters, group_filters, iter_filters
from filterkit.operations.measure import hint_measure
from filterkit.results.histogram import Histogram
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

COLUMNS = {"low": float, "high": float, "filters": int}

FACETS = ("classic_type", "dead", "fires_share", "top_class")
"""Columns of filters with few values that tell apart what a person looks for."""

FACET_COLUMNS = {"facet": str, "value": None, "filters": int, "condition": str}
MOST_VALUES = 12
"""Of a facet, the values that most filters have are listed."""


def histogram(
    session: Session,
    address: str,
    column: str,
    *,
    where: str | None,
    bins: int,
    observation: str | None,
) -> Histogram:
    """See `Workbench.histogram`."""
    from filterkit.catalog import histograms
    from filterkit.catalog.selecting import check_where

    check_where(where)
    check_number("bins", bins, whole=True)
    if not 1 <= bins <= histograms.MOST_BINS:
        raise UsageError(f"bins must be between 1 and {histograms.MOST_BINS:,}, not {bins}")
    if not isinstance(column, str):
        raise UsageError(f"column must be a name, not {column!r}", hint="e.g. 'l2_norm'")
    with hint_measure(session, address):
        counted = histograms.histogram(
            *(session.catalog(), parse_address(address), column),
            where=where,
            bins=bins,
            observation=observation,
        )
    rows = [
        {"low": low, "high": high, "filters": count}
        for low, high, count in zip(counted.bounds, counted.bounds[1:], counted.counts, strict=False)
    ]
    lost = {"without_value": counted.without_value, "infinite": counted.infinite}
    return Histogram(rows, COLUMNS, column=column, **lost)


def facets(session: Session, address: str, *, where: str | None, observation: str | None) -> Rows:
    """See `Workbench.facets`."""
    options = {"where": where, "observation": observation}
    columns, _ = iter_filters(
        session, address, columns=None, sort=None, limit=0, offset=0, unmeasured=None, **options
    )
    rows: list[Row] = []
    for name in FACETS:
        if name in columns:
            rows += (
                _fires(session, address, options)
                if name == "fires_share"
                else _of(session, address, name, options)
            )
    return Rows(rows, FACET_COLUMNS)


def _of(session: Session, address: str, name: str, options: dict[str, Any]) -> Iterator[Row]:
    """The most frequent values of a column."""
    found = group_filters(
        *(session, address),
        by=name,
        agg=None,
        columns=(name, "filters"),
        sort=None,
        limit=MOST_VALUES,
        unmeasured=None,
        **options,
    )
    for row in found:
        value = row[name]
        condition = f"{name} is null" if value is None else f"{name} = {_literal(value)}"
        yield {"facet": name, "value": value, "filters": row["filters"], "condition": condition}


def _fires(session: Session, address: str, options: dict[str, Any]) -> Iterator[Row]:
    """Whether a filter responds to any picture of its observation."""
    for value, condition in (("yes", "fires_share > 0"), ("no", "fires_share = 0")):
        whole = condition if options["where"] is None else f"({options['where']}) and {condition}"
        count = count_filters(session, address, unmeasured=None, **{**options, "where": whole})
        if count:
            yield {"facet": "fires", "value": value, "filters": count, "condition": condition}


def _literal(value: Any) -> str:
    """A value as conditions have it."""
    return "'{}'".format(value.replace("'", "''")) if isinstance(value, str) else repr(value)
