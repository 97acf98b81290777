"""The panels of what is similar to a filter or a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError
from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

LIMIT, CLASSIC = 12, 3
"""How many are shown."""


class Similar:
    """The most similar filters or kernels of the model, and a link to those of all models."""

    title = "Most similar"
    kinds: tuple[PanelKind, ...] = ("filter", "kernel")
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is most similar by cosine."""
        found = bench.similar(address, address.split("/")[0], limit=LIMIT)
        values = {"what": "filters" if address.count("/") == 2 else "kernels"}
        return PanelContent(
            found,
            ("address", "similarity"),
            "The most similar ones of the model, by cosine",
            template="filterkit.web:panels/similar.html",
            values=values,
        )


class NearestClassic:
    """The classic kernels that are most similar to a kernel, also negated, mirrored and turned."""

    title = "Nearest classic kernels"
    kinds: tuple[PanelKind, ...] = ("kernel",)
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is most similar in the model `classic`, or how to add it."""
        template = "filterkit.web:panels/classic.html"
        try:
            found = bench.similar(address, "classic", invariant="scale,sign,flip,rotate", limit=CLASSIC)
        except FilterkitError as error:
            return PanelContent(template=template, values={"error": error})
        return PanelContent(
            found,
            ("address", "similarity", "transform"),
            "Also negated, mirrored and turned: the transform maps the classic kernel onto this one",
            template=template,
            values={"error": None},
        )
