"""The panel of the metrics of a filter, with what each means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.pages import NAMES, meanings

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class FilterMetrics:
    """Each metric of the catalog: its value, meaning and interpretation."""

    title = "Metrics"
    kinds: tuple[PanelKind, ...] = ("filter",)
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """One row per metric."""
        found = bench.filters(address)
        known = meanings(bench, "filter")
        rows = [
            {
                "metric": name,
                "value": found[0][name],
                "meaning": known[name]["meaning"] if name in known else None,
                "interpretation": known[name]["interpretation"] if name in known else None,
            }
            for name in found.columns
            if name not in NAMES
        ]
        return PanelContent(rows, template="filterkit.web:panels/metrics.html")
