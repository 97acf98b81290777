"""The panel of the nodes of a model that could not be extracted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class Skipped:
    """Nodes with weights, and why they are not in the catalog."""

    title = "Skipped"
    kinds: tuple[PanelKind, ...] = ("model",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """One row per node; nothing if all were extracted."""
        found = bench.skipped(address)
        caption = "Nodes with weights that could not be extracted"
        return PanelContent(found, ("node", "op", "reason"), caption) if found else None
