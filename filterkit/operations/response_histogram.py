"""Count the pictures of an observation by the response of a filter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.errors import NotFoundError, UsageError
from filterkit.results.observe import ResponseHistogram

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

COLUMNS: Mapping[str, type] = {"low": float, "high": float, "pictures": int}
"""Columns of rows, and the types of their values."""

QUANTILES = ("p50", "p99")

DIGITS = (4, 3, 2, 1)
"""Bits of the mantissa that bars keep: 16 bars per power of two, or half as many, and so on."""

MOST_BARS = 32
"""Bars are as narrow as gives at most so many, with those between them that have no pictures."""

OCTAVES = 10
"""Responses that are smaller than the largest by so many powers of two are in one bar around 0."""

SMALLEST = 2.0**-126
"""The smallest float32 number of full precision."""


def response_histogram(session: Session, address: str, *, observation: str | None) -> ResponseHistogram:
    """See `Workbench.response_histogram`."""
    from filterkit.catalog import observations
    from filterkit.catalog.observation_files import ObservationFiles

    match = session.one(address, "a histogram shows the responses of one filter")
    if len(match.filters) > 1 or match.asked.kernels is not None:
        raise UsageError(
            "a histogram shows the responses of one filter", hint=f"e.g. {match.address}/{match.filters[0]}"
        )
    found = observations.existing(session.catalog(), match.model, observation, match.layer["id"])
    files = ObservationFiles(session.catalog().store, found["folder"])
    state = files.state(match.layer["position"], match.layer["filters"], found["options"]["top"])
    if state is None:
        raise NotFoundError(
            f"observation '{found['name']}' has no responses of {match.address}", hint="observe again"
        )
    for digits in DIGITS:
        low, high, counts = state.maxima.histogram(match.filters[0], digits)
        found_rows: list[Row] = [
            {"low": each, "high": end, "pictures": count}
            for each, end, count in zip(low.tolist(), high.tolist(), counts.tolist(), strict=True)
        ]
        rows = _joined(found_rows)
        if _octaves(rows) * 2**digits <= MOST_BARS:
            break
    columns = state.columns()
    quantiles = {name: float(columns[name][match.filters[0]]) for name in QUANTILES}
    return ResponseHistogram(rows, COLUMNS, found["name"], quantiles)


def _joined(rows: list[Row]) -> list[Row]:
    """Ascending buckets, of which those around 0 become one."""
    limit = max((max(-row["low"], row["high"]) for row in rows), default=0) / 2**OCTAVES
    if limit < SMALLEST:  # all are zero
        limit = 0.0
        rows = [{"low": 0.0, "high": 0.0, "pictures": sum(row["pictures"] for row in rows)}] if rows else []
    small = [row for row in rows if -limit <= row["low"] and row["high"] <= limit]
    if not small:
        return rows
    joined = {
        "low": -limit if small[0]["low"] < 0 else 0.0,
        "high": limit if small[-1]["high"] > 0 else 0.0,
        "pictures": sum(row["pictures"] for row in small),
    }
    return [
        *(row for row in rows if row["low"] < -limit),
        joined,
        *(row for row in rows if row["high"] > limit),
    ]


def _octaves(rows: list[Row]) -> float:
    """How many powers of two the bars span, without the one around 0."""
    sides = ([row for row in rows if row["low"] > 0], [row for row in rows if row["high"] < 0])
    spans = ((side[0], side[-1]) for side in sides if side)
    return sum(
        abs(math.log2(max(abs(each["low"]), abs(each["high"])) / min(abs(other["low"]), abs(other["high"]))))
        for each, other in (sorted(pair, key=lambda row: -abs(row["low"])) for pair in spans)
    )
