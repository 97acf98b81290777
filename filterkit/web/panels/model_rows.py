"""The layers of a model with their metrics, which several panels show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.web.layer_graph import metrics_of
from filterkit.web.one_page import once
from filterkit.web.pages import meanings

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

CLASSIC_TYPES = ("edge", "blur", "sharpen", "emboss", "pointwise", "other")
COUNTS = {
    "dead": {"meaning": "filters with almost no weights", "interpretation": ""},
    **{
        name: {"meaning": f"filters of the classic type {name}", "interpretation": ""}
        for name in CLASSIC_TYPES
    },
}
"""What counts of filters mean, which are no columns of a table."""


class ModelRows(NamedTuple):
    """Rows of layers, all columns, those with numbers, and what the columns mean."""

    rows: Sequence[Row]
    columns: tuple[str, ...]
    metrics: Sequence[str]
    meanings: Mapping[str, Any]


def model_rows(bench: Workbench, model: str) -> ModelRows | None:
    """The layers of a model; None if nothing could be extracted from it."""
    return once(("model_rows", model), lambda: _model_rows(bench, model))


def _model_rows(bench: Workbench, model: str) -> ModelRows | None:
    about = next(iter(bench.models(model)), None)
    if about is None or not about["layers"]:
        return None
    layers, stats = bench.layers(model), bench.stats(model)
    rows = [{**one, **other} for one, other in zip(layers, stats, strict=True)]
    columns = tuple(dict.fromkeys((*layers.columns, *stats.columns)))
    known = {**COUNTS, **meanings(bench, "layer")}
    return ModelRows(rows, columns, metrics_of(rows, stats.columns), known)
