"""The panel of a model's metrics over depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.depth_charts import depth_charts, same_everywhere
from filterkit.web.layer_graph import STRUCTURE
from filterkit.web.panels.model_rows import model_rows

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class MetricsOverDepth:
    """A small chart for each metric that differs between layers."""

    title = "Over depth"
    kinds: tuple[PanelKind, ...] = ("model",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """The charts; their data are the metrics of the layers."""
        found = model_rows(bench, address)
        if found is None:
            return None
        metrics = [name for name in found.metrics if name not in STRUCTURE]
        values = {
            "charts": depth_charts(found.rows, metrics),
            "constant": same_everywhere(found.rows, metrics),
            "meanings": found.meanings,
        }
        rows = [{"address": row["address"], **{name: row[name] for name in metrics}} for row in found.rows]
        return PanelContent(rows, template="filterkit.web:panels/depth.html", values=values)
