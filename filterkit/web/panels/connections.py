"""The panel of the filters of the layers around: which excite or inhibit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import FilterkitError
from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

LIMIT = 8
"""How many are shown in each direction."""

EFFECTS = {1: "+ excites", -1: "− inhibits", 0: "± neither"}
"""By sign, so that it does not depend on colour."""


class Connections:
    """The strongest connections with filters of the layers before and after."""

    title = "Strongest connections"
    kinds: tuple[PanelKind, ...] = ("filter",)
    heavy = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """Both directions; a first or last layer has one."""
        parts: dict[str, Any] = {}
        rows: list[Row] = []
        for direction in ("from", "to"):
            try:
                found = _connections(bench, address, direction)
            except FilterkitError as error:
                parts[direction] = {"error": error, "rows": []}
                continue
            parts[direction] = {"error": None, "rows": found}
            rows += found
        if not rows:
            raise parts["from"]["error"]
        return PanelContent(
            rows, template="filterkit.web:panels/connections.html", values={"parts_of": parts}
        )


def _connections(bench: Workbench, address: str, direction: Literal["from", "to"]) -> list[Row]:
    return [
        {
            "direction": direction,
            "address": row[f"{direction}_address"],
            "effect": EFFECTS[row["sign"]],
            "weight_norm": row["weight_norm"],
            "share": row["share"],
        }
        for row in bench.connections(address, top=LIMIT, direction=direction)
    ]
