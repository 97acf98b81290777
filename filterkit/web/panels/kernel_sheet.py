"""The panel of all kernels of a filter, each a link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.page_pictures import GAP, MOST_KERNELS, kernels_address, kernels_sheet

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class KernelSheet:
    """One picture of the kernels, with a link on each."""

    title = "Kernels"
    kinds: tuple[PanelKind, ...] = ("filter",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """The picture of the kernels, and where each is in it."""
        model, layer, number = address.split("/")
        [row] = bench.layers(f"{model}/{layer}")
        count = row["kernels"] // row["filters"]
        drawn = kernels_address(address, count)
        values = {
            "count": count,
            "number": number,
            "most": MOST_KERNELS,
            "drawn": drawn,
            "gap": GAP,
            **_geometry(bench, drawn),
        }
        return PanelContent(template="filterkit.web:panels/kernels.html", values=values)


def _geometry(bench: Workbench, address: str) -> dict[str, Any]:
    """Where the kernels are in their picture, in its pixels."""
    sheet, scale = kernels_sheet(bench, address)
    height, width = (side * scale + GAP for side in sheet.tile_shape)
    return {
        "tiles": sheet.count,
        "per_row": sheet.columns,
        "cell": (height, width),
        "size": (sheet.rows * height + GAP, sheet.columns * width + GAP),
    }
