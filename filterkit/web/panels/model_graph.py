"""The panel of the graph of a model's layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.layer_graph import layer_graph
from filterkit.web.panels.model_rows import model_rows

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class ModelGraph:
    """The layers from top to bottom, coloured by the metric that ``?metric=`` names."""

    title = "Graph"
    kinds: tuple[PanelKind, ...] = ("model",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """The drawing; its data are the edges."""
        found = model_rows(bench, address)
        if found is None:
            return None
        asked = options.get("metric")
        metric = asked if asked in found.metrics else next(iter(found.metrics), None)
        edges = bench.edges(address)
        values = {
            "graph": layer_graph(found.rows, [*edges], metric),
            "metrics": found.metrics,
            "metric": metric,
            "meanings": found.meanings,
        }
        return PanelContent(edges, template="filterkit.web:panels/graph.html", values=values)
