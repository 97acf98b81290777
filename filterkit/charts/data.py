"""What charts are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class LayerStats:
    """What metrics say of one layer.

    Attributes
    ----------
    model, layer
        Their names.
    filters, dead
        How many there are, and how many of them are dead, where that was measured.
    metrics
        Metrics of the layer, None where not defined or not measured.
    values
        From metrics of filters to the values that the filters have, where they have one.
    types
        How many filters there are of each classic type; empty where that was not measured.
    """

    model: str
    layer: str
    filters: int
    dead: int | None
    metrics: Mapping[str, float | None]
    values: Mapping[str, Sequence[float]]
    types: Mapping[str, int]
