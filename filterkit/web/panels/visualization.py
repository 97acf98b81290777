"""The panel of the feature visualization of a filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class Visualization:
    """The picture that a filter responds to most, if it is kept; a running server can make it."""

    title = "Feature visualization"
    kinds: tuple[PanelKind, ...] = ("filter",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is kept in the store; nothing is computed."""
        found = bench.kept_visualization(address)
        rows = None if found is None else found.to_rows()
        return PanelContent(rows, template="filterkit.web:panels/visualization.html")
