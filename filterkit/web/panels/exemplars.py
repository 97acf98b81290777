"""The panel of the exemplars of a filter: what it responds to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.page_pictures import EXEMPLARS

if TYPE_CHECKING:
    from filterkit.workbench import Workbench


class Exemplars:
    """The receptive fields with the highest responses, and the pictures that they are from."""

    title = "What it responds to"
    kinds: tuple[PanelKind, ...] = ("filter",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """The exemplars of an observation, or how to make one."""
        template, model = "filterkit.web:panels/exemplars.html", address.split("/")[0]
        if not bench.observations(model):
            return PanelContent(template=template, values={"model": model, "observation": None})
        found = bench.exemplars(address, observation=options.get("observation"), top=EXEMPLARS)
        values = {"model": model, "observation": found.observation[model]}
        return PanelContent(found, template=template, values=values)
