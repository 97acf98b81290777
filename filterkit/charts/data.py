"""The data that charts are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class LayerStats:
    """Metrics of one layer and its filters.

    Attributes
    ----------
    model, layer
        Names of the model and the layer.
    filters, dead
        Number of filters, and how many of them are dead (None if not measured).
    metrics
        Metrics of the layer; None if undefined or not measured.
    values
        Metrics of filters to the defined values of the filters.
    types
        Number of filters of each classic type; empty if not measured.
    """

    model: str
    layer: str
    filters: int
    dead: int | None
    metrics: Mapping[str, float | None]
    values: Mapping[str, Sequence[float]]
    types: Mapping[str, int]
