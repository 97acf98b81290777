"""Counting filters by ranges of a column's values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog.database import Catalog
from filterkit.catalog.filters import CheckModels, listing, select
from filterkit.catalog.selecting import column_named
from filterkit.catalog.validation import check_of, damaged_value, is_json
from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.records import FloatArray

MOST_BINS = 1000
STEPS = (1, 2, 5)
"""Widths of ranges, times a power of ten: bounds that a person can read and type."""


class Counted(NamedTuple):
    """The bounds of ranges, one more than there are, how many values are in each, and how many in none."""

    bounds: Sequence[float]
    counts: Sequence[int]
    without_value: int
    infinite: int


def histogram(
    catalog: Catalog,
    address: Address,
    column: str,
    *,
    where: str | None,
    bins: int,
    observation: str | None,
    check_models: CheckModels | None = None,
) -> Counted:
    """Count the filters of `address` that meet the condition; see `Workbench.histogram`.

    A single value is a range without width.
    """
    import numpy as np

    values = _values(catalog, address, column, where, observation, check_models)
    missing, infinite = np.isnan(values), np.isinf(values)
    finite = values[~(missing | infinite)]
    without_value, unbounded = int(missing.sum()), int(infinite.sum())
    if not finite.size:
        return Counted((), (), without_value, unbounded)
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return Counted((low, high), (finite.size,), without_value, unbounded)
    bounds = round_bounds(low, high, bins)
    places = np.searchsorted(np.array(bounds), finite, side="right") - 1
    counts = np.bincount(np.clip(places, 0, len(bounds) - 2), minlength=len(bounds) - 1)
    return Counted(bounds, counts.tolist(), without_value, unbounded)


def round_bounds(low: float, high: float, bins: int) -> list[float]:
    """Bounds of at most `bins` ranges of equal width, all of which are round numbers.

    The first one is at most `low`, the last one greater than `high`.
    """
    least = min((high / 2 - low / 2) / bins, 1e307) * 2  # not infinite for the largest floats
    exponent = math.floor(math.log10(least)) if least > 0 else -300
    for power in range(max(exponent, -300), 309):
        for step in STEPS:
            first, last = (_count(value, step, power) for value in (low, high))
            if last + 1 - first > bins:
                continue
            bounds = [_multiple(number, step, power) for number in range(first, last + 2)]
            if bounds[0] <= low and high < bounds[-1] and len({*bounds}) == len(bounds):
                return bounds
    return [low, math.nextafter(high, math.inf)]


def _count(value: float, step: int, power: int) -> int:
    """How many whole steps there are below a value."""
    steps = value / 10.0**power / step
    return math.floor(steps) if math.isfinite(steps) and abs(steps) < 2**53 else 2**53


def _multiple(number: int, step: int, power: int) -> float:
    """``number * step * 10 ** power``, rounded once."""
    try:
        return float(number * step * 10**power) if power >= 0 else number * step / 10**-power
    except OverflowError:
        return math.inf


def _values(
    catalog: Catalog,
    address: Address,
    column: str,
    where: str | None,
    observation: str | None,
    check_models: CheckModels | None,
) -> FloatArray:
    """The values of a column as floats; NaN where there is none."""
    import numpy as np

    selected = select(catalog, address, check_models, observation)
    named = column_named(column, selected.columns)
    if is_json(named) or isinstance(named.type, sa.String):
        raise _no_numbers(column)
    asked = listing(
        *(selected.kind, selected.extra, selected.extra_of_layers),
        columns=(column,),
        where=where,
        sort=(),
        limited=False,
        observed=selected.observed,
        named=observation is not None,
        extra_of_responses=selected.extra_of_responses,
    )
    bound: dict[str, Any] = {**asked.values, **selected.parameters, "limit": -1, "offset": 0}
    parameters = [bound[name] for name in asked.parameters]
    check = check_of(named)

    def number(value: Any) -> float:
        if value is None:
            return math.nan
        if isinstance(value, str):
            raise _no_numbers(column) if check(value) else damaged_value(column, value)
        if not isinstance(value, int | float):
            raise damaged_value(column, value)
        return float(value)

    with catalog.read() as reading, closing(reading.execute(asked.statement, parameters)) as found:
        return np.fromiter((number(row[0]) for row in found), np.float64)


def _no_numbers(column: str) -> UsageError:
    return UsageError(
        f"the values of {column} are no numbers", hint=f"count them: group_filters(by='{column}')"
    )
