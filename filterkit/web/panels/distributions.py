"""The panel of histograms of a layer's filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, UsageError
from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.conditions import added, histogram_bars
from filterkit.web.pages import meanings

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

MAIN = ("l2_norm", "redundancy", "classic_score", "frequency", "response_max")
"""Columns that are drawn besides the one by which the page is sorted."""
SIZE = (320, 56)
BINS = 11
"""Bars are then wide enough to be hit with a finger, 24 pixels, on screens of 320 pixels as well."""


class Distributions:
    """How the values of the sorted and of the main columns are distributed; each bar selects its filters."""

    title = "Distributions"
    kinds: tuple[PanelKind, ...] = ("layer",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """The histograms of the filters that meet the condition of the page; nothing if that is wrong."""
        where = options.get("where", "").strip() or None
        try:
            columns, _ = bench.iter_filters(address, where=where, limit=0)
        except UsageError:  # the page says so
            return None
        sort = options.get("sort", "")
        wanted = dict.fromkeys((*([sort] if sort in columns else ()), *(n for n in MAIN if n in columns)))
        drawn = [each for name in wanted if (each := _drawn(bench, address, name, where)) is not None]
        rows: list[Row] = [
            {"column": each["column"], "low": bar["low"], "high": bar["high"], "filters": bar["filters"]}
            for each in drawn
            for bar in each["bars"]
        ]
        values = {"histograms": drawn, "size": SIZE, "meanings": meanings(bench, "filter")}
        return PanelContent(rows, template="filterkit.web:panels/histograms.html", values=values)


def _drawn(bench: Workbench, address: str, column: str, where: str | None) -> dict[str, Any] | None:
    """What is drawn for a column; None for one without numbers."""
    try:
        found = bench.histogram(address, column, where=where, bins=BINS)
    except FilterkitError:
        return None
    lost = f"{column} is null"
    return {
        "column": column,
        "bars": histogram_bars(where, found, SIZE),
        "low": found[0]["low"] if found else None,
        "high": found[-1]["high"] if found else None,
        "without_value": found.without_value,
        "where_without": added(where, lost),
        "infinite": found.infinite,
    }
