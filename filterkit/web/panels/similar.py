"""The panels of what is similar to a filter or a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError
from filterkit.plugins.protocols import PanelContent, PanelKind
from filterkit.web.page_pictures import nearest_classic

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

LIMIT = 12
"""How many are shown."""


class Similar:
    """The most similar filters or kernels of the model."""

    title = "Similar in this network"
    kinds: tuple[PanelKind, ...] = ("filter", "kernel")
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is most similar by cosine."""
        found = bench.similar(address, address.split("/")[0], limit=LIMIT)
        return PanelContent(
            found,
            ("address", "similarity"),
            "The most similar ones, by cosine",
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
            found = nearest_classic(bench, address)
        except FilterkitError as error:
            return PanelContent(template=template, values={"error": error})
        return PanelContent(
            found,
            ("address", "similarity", "transform"),
            "Also negated, mirrored and turned: the transform maps the classic kernel onto this one",
            template=template,
            values={"error": None},
        )
