"""What came of taking a model into a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from filterkit.catalog.model_input import has_placeholder_size, range_of, takes_no_pictures
from filterkit.graph.inputs import fixed_size

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
    assumed_range
        Where the preprocessing is a guess, the pixels that the network gets by it, in words.
    placeholder_size
        Height and width that pictures are resized to because the file states them, where they are so small
        that they may be a placeholder; or None.
    takes_no_pictures
        Says so where the model's input has not the four axes of pictures.
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
    assumed_range: str = ""
    placeholder_size: tuple[int, int] | None = None
    takes_no_pictures: str = ""


def result_of(status: Status, row: Mapping[str, Any]) -> IngestResult:
    """Counts from a model's row of the table, as `ingest` wrote or found it."""
    counts = {name: row[name] for name in ("layers", "filters", "kernels", "parameters", "skipped")}
    preprocessing = row["preprocessing"] or {}
    assumed = bool(preprocessing.get("assumed"))
    height, width = fixed_size(row["input_shape"], row["input_layout"])
    return IngestResult(
        model=row["name"],
        status=status,
        assumed=assumed,
        plugins=row["plugins"],
        assumed_range=range_of(preprocessing) if assumed else "",
        placeholder_size=(height, width) if height and width and has_placeholder_size(row) else None,
        takes_no_pictures=takes_no_pictures(row)
        if row["input_shape"] and len(row["input_shape"]) != 4
        else "",
        **counts,
    )
