"""Filters of one layer that are copies of each other, as rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from filterkit.address import Address, Selection

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.catalog.matches import Match
    from filterkit.comparison.copies import Group
    from filterkit.plugins.protocols import Row
    from filterkit.records import FloatArray

COLUMNS = (
    "address",
    "model",
    "layer",
    "filters",
    "size",
    "min_cosine",
    "bias_shift",
    "parameters_saved",
    "macs_saved",
)


def groups_in(catalog: Catalog, match: Match, threshold: float, *, sign: bool) -> tuple[list[Row], int]:
    """A row per group among the filters that `match` selects, and how many filters are not finite."""
    from filterkit.catalog.weights import bank, bias
    from filterkit.comparison.copies import groups_of_copies
    from filterkit.workbench.base import sliced

    filters = sliced(bank(catalog, match), match.filters)
    biases = bias(catalog, match)
    groups, not_finite = groups_of_copies(filters, threshold, sign=sign)
    return [_row(match, group, filters, biases) for group in groups], not_finite


def _row(match: Match, group: Group, filters: FloatArray, biases: FloatArray | None) -> Row:
    from filterkit.comparison.copies import bias_shift

    layer = match.layer
    numbers = tuple(match.filters[member] for member in group.members)
    removed = len(numbers) - 1
    shift = math.nan
    if biases is not None:
        shift = bias_shift(filters[group.members], biases[list(numbers)], group.cosines)
    return {
        "address": str(Address(match.model["name"], layer["name"], Selection(numbers))),
        "model": match.model["name"],
        "layer": layer["name"],
        "filters": list(numbers),
        "size": len(numbers),
        "min_cosine": float(abs(group.cosines).min()),
        "bias_shift": shift if math.isfinite(shift) else None,
        "parameters_saved": layer["parameters"] // layer["filters"] * removed,
        "macs_saved": None if layer["macs"] is None else layer["macs"] * removed // layer["filters"],
    }
