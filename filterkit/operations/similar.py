"""Find the kernels or filters most similar to one, given by address, as a file or as numbers."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.address import refuse_url
from filterkit.catalog.weights import PLACES, bank
from filterkit.errors import NotFoundError, UsageError, check_number, closest
from filterkit.operations.observed_layers import By
from filterkit.results.similar import NeighbourQuery, Neighbours
from filterkit.session import sliced

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.comparison.similarity import Lengths
    from filterkit.records import FloatArray
    from filterkit.session import Session

Level = Literal["kernel", "filter"]

Invariance = Literal["scale", "sign", "flip", "rotate"]
COLUMNS: Mapping[str, type] = {
    "address": str,
    "similarity": float,
    **dict.fromkeys(("transform", "model", "layer"), str),
    **dict.fromkeys(("filter", "kernel"), int),
}
"""Columns of rows, and the types of their values."""

LARGEST = 1 << 22
"""Limit on the number of values in a query."""

MOST_SIZES = 8
"""Limit on the sizes listed in a message when none fits."""

SHOW_PROGRESS_FROM = 1 << 30
"""Bytes to search above which it takes long enough for a progress bar."""

EXAMPLES = "e.g. vgg16/block1_conv1/3, vgg16/block1_conv1/3/0, sobel.npy or '[[-1,0,1],[-2,0,2],[-1,0,1]]'"


def similar(
    session: Session,
    query: str | os.PathLike[str] | Any,
    among: str,
    *,
    by: By,
    level: Level | None,
    invariant: Iterable[str],
    limit: int,
    observation: str | None,
) -> Neighbours:
    """See `Workbench.similar`."""
    from filterkit.comparison.neighbours import nearest, turns_of

    if by not in get_args(By):
        raise UsageError(f"by cannot be '{by}'", hint=closest(str(by), get_args(By)))
    wanted = check_invariances(invariant, get_args(Invariance))
    _check_level(level)
    check_number("limit", limit, whole=True)
    if limit < 1:
        raise UsageError(f"limit must be at least 1, not {limit}", hint="the default is 10")
    if by == "response":
        return _by_response(session, query, among, level, wanted, int(limit), observation)
    if observation is not None:
        raise UsageError(
            "observation has no effect without by=response", hint="--by response compares responses"
        )
    asked = _query(session, query, level)
    matches = session.matches(among, *PLACES)
    if asked.level == "filter" and any(match.asked.kernels is not None for match in matches):
        raise UsageError(
            "a filter is compared with filters, not kernels", hint="leave out the kernels in --among"
        )
    shapes = {shape_of(match, asked.level) for match in matches}
    values = _fitted(asked, shapes)
    if values is None:
        raise _no_such_size(asked, shapes)
    fitting = [match for match in matches if shape_of(match, asked.level) == values.shape]
    starts = list(accumulate((_count(match, asked.level) for match in fitting), initial=0))
    banks: dict[str, FloatArray] = {}
    found = nearest(
        values,
        _rows(session, fitting, asked.level, banks),
        limit=int(limit),
        scale="scale" in wanted,
        sign="sign" in wanted,
        turns=turns_of(fitting[0].layer["kernel_shape"], flip="flip" in wanted, rotate="rotate" in wanted),
        leave_out=_own_position(asked, fitting, starts),
    )
    rows = []
    for position, similarity, turn, negated in zip(
        found.positions.tolist(), found.similarities.tolist(), found.turns, found.negated, strict=True
    ):
        number = bisect_right(starts, position) - 1
        address = _at(fitting[number], position - starts[number], asked.level)
        rows.append({**address, "similarity": similarity, "transform": f"{'-' if negated else ''}{turn}"})
    banks = {name: banks[name] for name in {f"{row['model']}/{row['layer']}" for row in rows}}
    names = {match.address: tuple(match.layer["input_channels"]) for match in fitting}
    query = replace(asked, values=values)
    channels = {name: names[name] for name in banks}
    used = {row["model"] for row in rows}
    models = {match.model["name"]: match.model["sha256"] for match in fitting if match.model["name"] in used}
    return Neighbours(rows, COLUMNS, query, banks, found.not_finite, channels, models)


def _by_response(
    session: Session,
    query: Any,
    among: str,
    level: Level | None,
    wanted: frozenset[str],
    limit: int,
    observation: str | None,
) -> Neighbours:
    """Check what a search by responses does not take, and search."""
    from filterkit.operations.similar_by_response import similar_by_response

    if level == "kernel":
        raise UsageError("single kernels have no responses", hint="--level filter compares whole filters")
    if "scale" not in wanted or wanted & {"flip", "rotate"}:
        raise UsageError(
            "a correlation of responses ignores scale, and may ignore sign, but not flip or rotate",
            hint="--invariant scale or --invariant scale,sign",
        )
    asked = _query(session, query, None)
    if asked.place is None:
        raise UsageError(
            f"{asked.name} is not in the catalog, and has no responses", hint="e.g. vgg16/block1_conv1/3"
        )
    if asked.level != "filter":
        raise UsageError(
            f"{asked.name} is a single kernel, which has no responses",
            hint=f"the whole filter is {asked.name.rpartition('/')[0]}",
        )
    return similar_by_response(
        session, asked, among, observation=observation, limit=limit, sign="sign" in wanted
    )


def shape_of(match: Match, level: Level) -> tuple[int, ...]:
    """Shape of a layer's kernels or filters."""
    kernel_shape = tuple(match.layer["kernel_shape"])
    each = match.layer["kernels"] // match.layer["filters"]
    return kernel_shape if level == "kernel" else (each, *kernel_shape)


def _count(match: Match, level: Level) -> int:
    return len(match.filters) * (len(match.kernels) if level == "kernel" else 1)


def _at(match: Match, place: int, level: Level) -> dict[str, Any]:
    """Address and columns of the row at a place in a match."""
    place, kernel = divmod(place, len(match.kernels)) if level == "kernel" else (place, None)
    numbers = [match.filters[place]] if kernel is None else [match.filters[place], match.kernels[kernel]]
    return {
        "address": "/".join(map(str, (match.address, *numbers))),
        "model": match.model["name"],
        "layer": match.layer["name"],
        "filter": numbers[0],
        "kernel": None if kernel is None else numbers[1],
    }


def _own_position(query: NeighbourQuery, matches: Sequence[Match], starts: Sequence[int]) -> int | None:
    """The position of the query itself among all rows, if it is one of them."""
    if query.place is None:
        return None
    layer, filter_, kernel = query.place
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
    session: Session, matches: Sequence[Match], level: Level, banks: dict[str, FloatArray]
) -> Iterator[tuple[FloatArray, Lengths]]:
    """What the matches select, layer by layer; whole banks are added to `banks` by the layer's address."""
    total = 4 * sum(match.layer["kernels"] * math.prod(match.layer["kernel_shape"]) for match in matches)
    done = 0
    with session.progress() as progress:
        for match in matches:
            whole = banks[match.address] = bank(session.catalog(), match)
            weights = sliced(whole, match.filters, match.kernels)
            rows = weights.reshape(-1, *weights.shape[2:]) if level == "kernel" else weights
            yield rows, session.lengths.lengths(_key(match, level), rows)
            done += whole.nbytes
            if total > SHOW_PROGRESS_FROM:
                progress("searching", done, total)


def _key(match: Match, level: Level) -> tuple[str, str, Level] | None:
    """The cache key for lengths: only those of whole layers are cached, and the hash identifies the bank."""
    if match.asked.filters is not None or match.asked.kernels is not None:
        return None
    return match.model["banks_sha256"], match.layer["name"], level


def _no_such_size(query: NeighbourQuery, shapes: Collection[tuple[int, ...]]) -> NotFoundError:
    def written(shape: tuple[int, ...]) -> str:
        return "×".join(map(str, shape))

    known = sorted(shapes, key=lambda shape: (len(shape), shape))
    named = ", ".join(map(written, known[:MOST_SIZES]))
    more = f" and {len(known) - MOST_SIZES} more" if len(known) > MOST_SIZES else ""
    return NotFoundError(
        f"no {query.level} in the searched layers has the size {written(query.values.shape)}",
        hint=f"sizes there: {named}{more}",
    )


def check_invariances(names: Iterable[str], known: Sequence[str]) -> frozenset[str]:
    """The set of names; raises UsageError if one is unknown."""
    if isinstance(names, str):
        names = filter(None, map(str.strip, names.split(",")))
    wanted = frozenset(names)
    for name in sorted(wanted - frozenset(known)):
        raise UsageError(f"there is no invariance '{name}'", hint=closest(name, known))
    return wanted


def _check_level(level: str | None) -> None:
    """Raise UsageError unless `level` is one of `Level` or None."""
    if level not in (None, *get_args(Level)):
        raise UsageError(f"there is no level '{level}'", hint=closest(str(level), get_args(Level)))


def _query(session: Session, query: Any, level: Level | None) -> NeighbourQuery:
    if isinstance(query, str) and query.lstrip().startswith("[") and "/" not in query:
        return _from_literal(query, level)
    if isinstance(query, os.PathLike) or (isinstance(query, str) and query.lower().endswith(".npy")):
        return _from_file(Path(query), level)
    if not isinstance(query, str):
        return _from_array(query, "the array", level)
    match = session.one(query, "the query is a single kernel or filter", *PLACES)
    return _from_match(match, bank(session.catalog(), match), level)


def _checked(query: NeighbourQuery) -> NeighbourQuery:
    """The query, if it is finite and not all zeros; raises UsageError otherwise."""
    import numpy as np

    if not np.isfinite(query.values).all():
        raise UsageError(f"{query.name} contains NaN or infinity, so its similarity is undefined")
    if not query.values.any():
        raise UsageError(f"{query.name} is all zeros, so its similarity is undefined")
    return query


def _fitted(query: NeighbourQuery, shapes: Collection[tuple[int, ...]]) -> FloatArray | None:
    """The values in one of these shapes, or None; leading axes of length 1 are dropped if necessary.

    Files of `export` have such an axis: a single filter is written as a bank of one.
    """
    values = query.values
    while values.shape not in shapes:
        if query.place or values.ndim < 2 or values.shape[0] > 1:
            return None
        values = values[0]
    return values


def _from_match(match: Match, bank: FloatArray, level: Level | None) -> NeighbourQuery:
    """The filter or kernel that `match` selects from the whole bank of its layer.

    Raises
    ------
    UsageError
        It is not a single filter or kernel.
    """
    level = level or ("filter" if match.asked.kernels is None else "kernel")
    number, several = match.filters[0], len(match.kernels) > 1
    address = f"{match.address}/{number}"
    if len(match.filters) > 1:
        raise UsageError(
            f"{match.selected_address} names {len(match.filters)} filters; the query is a single one",
            hint=f"e.g. {address}",
        )
    if level == "kernel" and several:
        raise UsageError(
            f"{address} names {len(match.kernels)} kernels; the query is a single one",
            hint=f"e.g. {address}/{match.kernels[0]}, or --level filter for the whole filter",
        )
    if level == "filter" and len(match.kernels) < bank.shape[1]:
        raise UsageError(
            f"{match.selected_address} is only a part of a filter",
            hint=f"the whole filter is {address}",
        )
    names = tuple(match.layer["input_channels"])
    if level == "filter":
        place = (match.layer["id"], number, None)
        return _checked(NeighbourQuery(address, level, bank[number], place, names))
    kernel = match.kernels[0]
    chosen = (match.layer["id"], number, kernel)
    return _checked(NeighbourQuery(f"{address}/{kernel}", level, bank[number, kernel], chosen, names))


def _from_array(array: Any, name: str, level: Level | None) -> NeighbourQuery:
    """An array of one or two dimensions is a kernel, of more a filter, unless `level` says otherwise.

    Raises
    ------
    UsageError
        It is not an array of finite numbers, is too large, or is all zeros.
    """
    import numpy as np

    try:
        values = np.asarray(array)
    except (ValueError, OverflowError):  # rows of different lengths
        values = np.empty(0)
    if values.dtype.kind not in "fiu" or not values.ndim or not values.size:
        raise UsageError(f"{name} is not an array of numbers", hint=EXAMPLES)
    if values.size > LARGEST:
        raise UsageError(f"{name} has {values.size:,} values; the limit is {LARGEST:,}")
    with np.errstate(over="ignore"):
        return _checked(
            NeighbourQuery(
                name, level or ("kernel" if values.ndim <= 2 else "filter"), values.astype(np.float64)
            )
        )


def _from_literal(text: str, level: Level | None) -> NeighbourQuery:
    """Numbers in brackets, as JSON and Python write them; raises as `_from_array`."""
    name = text if len(text) <= 40 else f"{text[:39]}…"
    try:
        numbers = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"cannot parse {name} as numbers in brackets", hint=EXAMPLES) from None
    return _from_array(numbers, name, level)


def _from_file(path: Path, level: Level | None) -> NeighbourQuery:
    """The array in an ``.npy`` file; raises as `_from_array`, and NotFoundError if there is no such file."""
    import numpy as np

    refuse_url(str(path), "a file is expected here")
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint=EXAMPLES)
    try:
        with np.errstate(over="ignore"):  # the size in the header may overflow
            array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped; read after checking the size
    except Exception as error:  # the type depends on what is wrong with the file: header, length or kind
        raise UsageError(
            f"{path} is not an .npy file of plain numbers",
            hint="numpy.save(FILE, array) and filterkit export write such files",
        ) from error
    return _from_array(array, str(path), level)
