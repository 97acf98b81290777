"""One kernel or filter against all others of its size."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from filterkit.catalog.weights import bank
from filterkit.errors import NotFoundError, UsageError
from filterkit.workbench.base import sliced
from filterkit.workbench.neighbours import Neighbours

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.catalog.matches import Match
    from filterkit.comparison.lengths import Lengths
    from filterkit.plugins.protocols import Progress
    from filterkit.records import FloatArray
    from filterkit.workbench.sought import Level, Sought

KEPT = 1 << 26
"""Bytes of lengths that are kept: of 16 million kernels, ten times those of VGG16."""

MOST_SIZES = 8
"""Sizes that are named where none fits."""

WATCHED = 1 << 30
"""Bytes to search from which on it takes long enough for a progress bar."""


class Measured:
    """Lengths of kernels and filters, kept between searches: they take as long to compute as the rest."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, Level], Lengths] = {}
        self._bytes = 0

    def lengths(self, match: Match, level: Level, rows: FloatArray) -> Lengths:
        """Of the rows that `match` selects; those of whole layers are kept, as long as there is room."""
        from filterkit.comparison.lengths import lengths

        if match.asked.filters is not None or match.asked.kernels is not None:
            return lengths(rows)
        key = (match.model["banks_sha256"], match.layer["name"], level)  # the banks of a hash never change
        if key in self._kept:
            return self._kept[key]
        computed = lengths(rows)
        size = computed.squares.nbytes + computed.zeros.nbytes
        if self._bytes + size <= KEPT:
            self._kept[key] = computed
            self._bytes += size
        return computed


def search(
    catalog: Catalog,
    sought: Sought,
    matches: Sequence[Match],
    *,
    invariant: Collection[str],
    limit: int,
    measured: Measured,
    progress: Progress,
) -> Neighbours:
    """See `Finding.similar`; `matches` is where to look, `measured` what is known of it.

    Raises
    ------
    NotFoundError
        Nothing there is of that size.
    UsageError
        Filters are looked for among parts of filters.
    """
    from filterkit.comparison.neighbours import nearest
    from filterkit.comparison.turns import turns_of

    if sought.level == "filter" and any(match.asked.kernels is not None for match in matches):
        raise UsageError("filters are looked for among filters, not kernels", hint="shorten --among")
    shapes = {shape_of(match, sought.level) for match in matches}
    query = sought.fitted(shapes)
    if query is None:
        raise _of_no_size(sought, shapes)
    fitting = [match for match in matches if shape_of(match, sought.level) == query.shape]
    starts = list(accumulate((_count(match, sought.level) for match in fitting), initial=0))
    banks: dict[str, FloatArray] = {}
    found = nearest(
        query,
        _rows(catalog, fitting, sought.level, measured, banks, progress),
        limit=limit,
        scale="scale" in invariant,
        sign="sign" in invariant,
        turns=turns_of(
            fitting[0].layer["kernel_shape"], flip="flip" in invariant, rotate="rotate" in invariant
        ),
        leave_out=_own_position(sought, fitting, starts),
    )
    rows = []
    for position, similarity, turn, negated in zip(
        found.positions.tolist(), found.similarities.tolist(), found.turns, found.negated, strict=True
    ):
        number = bisect_right(starts, position) - 1
        address = _at(fitting[number], position - starts[number], sought.level)
        rows.append({**address, "similarity": similarity, "transform": f"{'-' if negated else ''}{turn}"})
    banks = {name: banks[name] for name in {f"{row['model']}/{row['layer']}" for row in rows}}
    return Neighbours(rows, replace(sought, values=query), banks, found.not_finite)


def shape_of(match: Match, level: Level) -> tuple[int, ...]:
    """Shape of the layer's kernels or filters."""
    kernel_shape = tuple(match.layer["kernel_shape"])
    each = match.layer["kernels"] // match.layer["filters"]
    return kernel_shape if level == "kernel" else (each, *kernel_shape)


def _count(match: Match, level: Level) -> int:
    return len(match.filters) * (len(match.kernels) if level == "kernel" else 1)


def _at(match: Match, place: int, level: Level) -> dict[str, Any]:
    """What is at a place among the rows of a match."""
    place, kernel = divmod(place, len(match.kernels)) if level == "kernel" else (place, None)
    numbers = [match.filters[place]] if kernel is None else [match.filters[place], match.kernels[kernel]]
    return {
        "address": "/".join(map(str, (match.address, *numbers))),
        "model": match.model["name"],
        "layer": match.layer["name"],
        "filter": numbers[0],
        "kernel": None if kernel is None else numbers[1],
    }


def _own_position(sought: Sought, matches: Sequence[Match], starts: Sequence[int]) -> int | None:
    """Where among all rows the query itself is, if it is there."""
    if sought.place is None:
        return None
    layer, filter_, kernel = sought.place
    for match, start in zip(matches, starts, strict=False):
        if match.layer["id"] != layer or filter_ not in match.filters:
            continue
        position = match.filters.index(filter_)
        if kernel is None:
            return start + position
        if kernel in match.kernels:
            return start + position * len(match.kernels) + match.kernels.index(kernel)
    return None


def _rows(
    catalog: Catalog,
    matches: Sequence[Match],
    level: Level,
    measured: Measured,
    banks: dict[str, FloatArray],
    progress: Progress,
) -> Iterator[tuple[FloatArray, Lengths]]:
    """What the matches select, layer by layer; the whole banks go into `banks`, by the layer's address."""
    total = 4 * sum(match.layer["kernels"] * math.prod(match.layer["kernel_shape"]) for match in matches)
    done = 0
    for match in matches:
        whole = banks[match.address] = bank(catalog, match)
        weights = sliced(whole, match.filters, match.kernels)
        rows = weights.reshape(-1, *weights.shape[2:]) if level == "kernel" else weights
        yield rows, measured.lengths(match, level, rows)
        done += whole.nbytes
        if total > WATCHED:
            progress("searching", done, total)


def _of_no_size(sought: Sought, shapes: Collection[tuple[int, ...]]) -> NotFoundError:
    def written(shape: tuple[int, ...]) -> str:
        return "×".join(map(str, shape))

    known = sorted(shapes, key=lambda shape: (len(shape), shape))
    named = ", ".join(map(written, known[:MOST_SIZES]))
    more = f" and {len(known) - MOST_SIZES} more" if len(known) > MOST_SIZES else ""
    return NotFoundError(
        f"no {sought.level} there has the size {written(sought.values.shape)}",
        hint=f"there are {named}{more}",
    )
