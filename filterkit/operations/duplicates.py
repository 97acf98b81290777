"""Find filters of one layer that are duplicates of each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.address import Address, Selection
from filterkit.catalog.weights import bank, bias
from filterkit.errors import UsageError, check_number
from filterkit.operations.similar import check_invariances
from filterkit.results.rows import Found
from filterkit.session import sliced

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.comparison.copies import Group
    from filterkit.plugins.protocols import Row
    from filterkit.records import FloatArray
    from filterkit.session import Session

COLUMNS: Mapping[str, Any] = {
    **dict.fromkeys(("address", "model", "layer"), str),
    "filters": list[int],
    "size": int,
    **dict.fromkeys(("min_cosine", "bias_shift"), float),
    **dict.fromkeys(("parameters_saved", "macs_saved"), int),
}
"""Columns of rows, and the types of their values."""


def duplicates(session: Session, address: str, threshold: float, invariant: Iterable[str]) -> Found:
    """See `Workbench.duplicates`."""
    from filterkit.comparison.copies import groups_of_copies

    wanted = check_invariances(invariant, ("scale", "sign"))
    check_number("threshold", threshold)
    if not 0 < threshold <= 1:
        raise UsageError(
            f"threshold must be above 0 and at most 1, not {threshold:g}", hint="the default is 0.98"
        )
    rows, not_finite = [], 0
    for match in session.matches(address):
        if match.asked.kernels is not None:
            raise UsageError("duplicates are whole filters, not kernels", hint=f"e.g. {match.address}")
        filters = sliced(bank(session.catalog(), match), match.filters)
        biases = bias(session.catalog(), match)
        groups, skipped = groups_of_copies(filters, threshold, sign="sign" in wanted)
        rows += [_row(match, group, filters, biases) for group in groups]
        not_finite += skipped
    return Found(rows, COLUMNS, not_finite)


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
