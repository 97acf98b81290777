"""The panels of what is similar to a filter or a kernel in other networks, by weights and by responses."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from filterkit.errors import NotFoundError
from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

LIMIT = 12
"""How many are shown."""

MOST_MODELS = 50
"""Of more other models, only the first ones are searched for the most similar one of each."""


class Relatives:
    """The most similar filters or kernels in all models, and the most similar one of each other model."""

    title = "Similar in all networks"
    kinds: tuple[PanelKind, ...] = ("filter", "kernel")
    narrow = True
    heavy = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What is most similar by cosine."""
        own = address.split("/")[0]
        found = [_row(row) for row in bench.similar(address, "*", limit=LIMIT)]
        others = [name for name in bench.models()["model"] if name != own]
        twins: list[Row] = []
        for name in others[:MOST_MODELS]:
            with suppress(NotFoundError):  # no kernels of this size
                twins += [_row(row) for row in bench.similar(address, name, limit=1)]
        twins.sort(key=lambda row: -row["similarity"])
        shown = {row["address"] for row in found}
        values = {
            "what": "filters" if address.count("/") == 2 else "kernels",
            "own": own,
            "found": found,
            "twins": twins,
            "others": len(others),
            "most_models": MOST_MODELS,
        }
        return PanelContent(
            found + [row for row in twins if row["address"] not in shown],
            ("address", "similarity"),
            template="filterkit.web:panels/relatives.html",
            values=values,
        )


class Alike:
    """The filters of all networks that were observed over the same pictures and respond alike."""

    title = "Responds alike in all networks"
    kinds: tuple[PanelKind, ...] = ("filter",)
    narrow = True
    heavy = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What responds most alike."""
        found = bench.similar(address, "*", by="response", limit=LIMIT)
        name, pictures = found.observation or ("", 0)
        return PanelContent(
            [_row(row) for row in found],
            ("address", "similarity"),
            f"By the correlation of the mean responses to the {pictures:,} pictures of {name}",
        )


def _row(row: Row) -> Row:
    return {"address": row["address"], "similarity": row["similarity"], "model": row["model"]}
