"""The panel of what was observed of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class ModelObservations:
    """The observations of a model, each a link, or how to make one."""

    title = "Observations"
    kinds: tuple[PanelKind, ...] = ("model",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """One row per observation."""
        found = bench.observations(address)
        return PanelContent(found, template="filterkit.web:panels/observations.html")
