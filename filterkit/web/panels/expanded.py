"""The panel of the expanded weights of a filter: what it responds to in pixels, to first order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class Expanded:
    """The picture that ``filterkit show ADDRESS --expand`` draws; a part of the network runs for it."""

    title = "Expanded weights"
    kinds: tuple[PanelKind, ...] = ("filter",)
    heavy = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """The weights of a filter, multiplied out up to the pixels of the input."""
        sheet = bench.sheet(address, expand=True)
        side = "×".join(map(str, sheet.tile_shape))
        name = f"{side} pixels" if sheet.count == 1 else f"{side} pixels for each channel of the input"
        return PanelContent(sheets={name: sheet}, template="filterkit.web:panels/expanded.html")
