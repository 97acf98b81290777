"""The pages of models, layers, filters and kernels: what each shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes
    ----------
    template, values
        The template, and the values of its variables.
    rows, columns
        The data of the page, for ``?format=json`` and ``?format=csv``.
    """

    template: str
    rows: Iterable[Row]
    columns: Sequence[str]
    values: dict[str, Any] = field(default_factory=dict)


def models(bench: Workbench, request: Request) -> Page:
    """All models."""
    rows = bench.models()
    return Page("models.html", rows, rows.columns, {"models": rows, "location": bench.location})
