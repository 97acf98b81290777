"""What came of taking a model into a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["added", "replaced", "unchanged", "restored"]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What an ingest did.

    Attributes
    ----------
    status
        ``"added"``; ``"replaced"``; ``"unchanged"`` where the catalog had it; ``"restored"`` where only the
        store lacked it.
    assumed
        Whether the preprocessing is a guess.
    not_finite
        How many of the filters that were written hold a weight that is NaN or infinite.
    unmeasured
        Columns that stay empty, as the metric of a plugin failed.
    plugins
        What the catalog says of the plugins that took part, by name.
    """

    model: str
    status: Status
    layers: int
    filters: int
    kernels: int
    parameters: int
    skipped: int
    assumed: bool
    not_finite: int = 0
    unmeasured: tuple[str, ...] = ()
    plugins: Mapping[str, Any] = field(default_factory=dict)


def result_of(status: Status, row: Mapping[str, Any]) -> IngestResult:
    """Counts from a model's row of the table, as `ingest` wrote or found it."""
    counts = {name: row[name] for name in ("layers", "filters", "kernels", "parameters", "skipped")}
    assumed = bool((row["preprocessing"] or {}).get("assumed"))
    return IngestResult(model=row["name"], status=status, assumed=assumed, plugins=row["plugins"], **counts)
