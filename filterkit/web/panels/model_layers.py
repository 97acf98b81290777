"""The panel of a model's layers as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.panels.model_rows import model_rows

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

SHOWN = (
    *("kernel_shape", "in_channels", "filters", "parameters", "receptive_field", "activation"),
    *("sparsity", "orthogonality", "variance_entropy", "stable_rank", "dead"),
)


class ModelLayers:
    """The layers with their shapes and metrics, each with its first filters."""

    title = "Layers"
    kinds: tuple[PanelKind, ...] = ("model",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """One row per layer."""
        found = model_rows(bench, address)
        values = {"shown_columns": SHOWN, "meanings": found.meanings if found else {}}
        rows = [{name: row[name] for name in found.columns} for row in found.rows] if found else []
        template = "filterkit.web:panels/layers.html"
        return PanelContent(rows, found.columns if found else (), template=template, values=values)
