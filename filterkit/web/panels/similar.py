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

DRAWN = "This kernel, then the classic ones as the transform maps them onto it"


class Similar:
    """The most similar filters or kernels of the model."""

    title = "Most similar"
    kinds: tuple[PanelKind, ...] = ("filter", "kernel")
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is most similar by cosine."""
        found = bench.similar(address, address.split("/")[0], limit=LIMIT)
        return PanelContent(
            found,
            ("address", "similarity"),
            "The most similar ones of the model, by cosine",
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
            sheets={DRAWN: bench.sheet(found)},
            template=template,
            values={"error": None, "drawn": DRAWN},
        )
