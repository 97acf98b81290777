"""Compare models layer by layer: each further one with the first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.address import parse_address
from filterkit.errors import NotFoundError, UsageError, check_number, closest
from filterkit.operations.observed_layers import By
from filterkit.results.diff import Differences, LayerPair, Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.comparison.assignment import Pair
    from filterkit.operations.diff_by_response import ObservedPairs
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.session import Session

Matching = Literal["name", "position", "assignment"]
Level = Literal["layer", "filter"]

TOLERANCE = 1e-5
"""Above the rounding error of float32, below that of float16."""

LAYER_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("address_a", "address_b"), str),
    "filters": int,
    **dict.fromkeys(("cosine", "relative_l2", "max_abs", "scale"), float),
    **dict.fromkeys(("changed", "sign_flips"), int),
    **dict.fromkeys(("cosine_scaled", "cosine_min", "scale_min", "scale_max", "bias_max_abs"), float),
    **dict.fromkeys(("moved", "not_finite"), int),
    **dict.fromkeys(("reason", "model_b"), str),
}
_OF_FILTERS = (
    *("address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale", "changed", "sign_flips"),
    *("bias_max_abs", "moved", "reason", "model_b"),
)
FILTER_COLUMNS = {name: LAYER_COLUMNS[name] for name in _OF_FILTERS} | dict.fromkeys(
    ("changed", "moved"), bool
)
"""Columns of rows, and the types of their values."""

EXAMPLES = {
    "l1_norm > 2": "cosine < 0.9",
    "sparsity > 0.5": "cosine > 0.5",
    "layer like 'block1%'": "address_a like '%/block1%'",
}
"""Parts of conditions on filters in hints, and what to write for these rows."""


def diff(
    session: Session,
    a: str,
    others: Sequence[str],
    *,
    by: By,
    match: Matching,
    level: Level,
    tolerance: float,
    observation: str | None,
    observation_b: str | None,
    where: str | None,
    sort: str | Iterable[str] | None,
    limit: int | None,
) -> Differences:
    """See `Workbench.diff`."""
    from filterkit.catalog.selecting import names_in, select_rows
    from filterkit.operations import diff_by_response as by_response

    _check_choice("by", by, By)
    _check_choice("match", match, Matching)
    _check_choice("level", level, Level)
    _check_tolerance(tolerance)
    for name, value in {"observation": observation, "observation_b": observation_b}.items():
        if value is not None and by != "response":
            raise UsageError(
                f"{name} has no effect without by=response", hint="--by response compares responses"
            )
    columns: Mapping[str, type] = LAYER_COLUMNS if level == "layer" else FILTER_COLUMNS
    examples: Mapping[str, str] = EXAMPLES
    if by == "response":
        if tolerance != TOLERANCE:
            raise UsageError(
                "tolerance has no effect with by=response",
                hint="select by correlation, e.g. correlation < 0.9",
            )
        columns = by_response.LAYER_COLUMNS if level == "layer" else by_response.FILTER_COLUMNS
        examples = by_response.EXAMPLES
    order = names_in(sort, "sort")
    try:
        select_rows([], columns, where=where, sort=order, limit=limit)  # raises before anything is compared
    except UsageError as error:
        raise _with_own_example(error, examples) from None
    left = _side(session, a)
    rights = [_side(session, other) for other in others]
    observed = (
        by_response.ObservedPairs(session, left, rights, observation, observation_b)
        if by == "response"
        else None
    )
    with session.progress() as progress:
        pairs = tuple(_layer_pairs(session, progress, left, rights, match, tolerance, observed))
    rows: list[Row] = []
    places: list[Place] = []
    for place, pair in enumerate(pairs):
        if level == "layer" or pair.similarities is None:
            rows.append(_row(columns, _in_total(pair), *_addresses(pair), pair))
            places.append((place, None))
        else:
            rows += _filter_rows(columns, pair)
            places += ((place, number) for number in range(len(pair.similarities)))
    chosen = select_rows(rows, columns, where=where, sort=order, limit=limit)
    return Differences(
        *((rows[number] for number in chosen), columns, pairs, level, [places[number] for number in chosen]),
        is_sorted=bool(order),
        sorted_by=order,
    )


def _check_tolerance(tolerance: float) -> None:
    check_number("tolerance", tolerance)
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise UsageError(
            f"tolerance must be a finite number of at least 0, not {tolerance}", hint="the default is 1e-5"
        )


def _with_own_example(error: UsageError, examples: Mapping[str, str]) -> UsageError:
    """The same error; an example in its hint has columns of these rows."""
    hint = error.hint or ""
    for of_filters, own in examples.items():
        hint = hint.replace(of_filters, own)
    return error if hint == (error.hint or "") else UsageError(error.message, hint=hint)


def _side(session: Session, address: str) -> list[Match]:
    asked = parse_address(address)
    if asked.filters is not None:
        raise UsageError(
            f"'{address}' names single filters, but diff compares whole layers",
            hint=f"use {asked.model}/{asked.layer}, with --level filter for one row per filter",
        )
    matches = session.matches(address)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="name each of them: filterkit diff A B C")
    return matches


def _layer_pairs(
    session: Session,
    progress: Progress,
    left: list[Match],
    rights: list[list[Match]],
    match: Matching,
    tolerance: float,
    observed: ObservedPairs | None,
) -> Iterator[LayerPair]:
    paired = [(right, _pair_layers(left, right, match, any_shape=observed is not None)) for right in rights]
    if observed is not None:
        paired = [(right, observed.with_reasons(left, right, pairs)) for right, pairs in paired]
    if all(pair.reason for _, pairs in paired for pair in pairs):
        both = [
            (left[pair.a], right[pair.b])
            for right, pairs in paired
            for pair in pairs
            if pair.a is not None and pair.b is not None
        ]
        if observed is not None and both:
            raise observed.error(both)
        raise _nothing_in_common(left, *paired[0], match)
    compared = (
        left[pair.a] for _, pairs in paired for pair in pairs if pair.a is not None and not pair.reason
    )
    total = sum(map(_bank_bytes, compared))
    done = 0
    for right, pairs in paired:
        orders: list[NDArray[np.intp]] = []  # of the filters of earlier layers, the nearest first
        for pair in pairs:
            progress("comparing layers", done, total)
            a = None if pair.a is None else left[pair.a]
            b = None if pair.b is None else right[pair.b]
            model_b = right[0].model["name"]
            if a is None or b is None or pair.reason:
                yield LayerPair(a, b, pair.reason, model_b=model_b)
                continue
            done += _bank_bytes(a)
            if observed is not None:
                yield observed.compared(a, b, assign=match == "assignment")
                continue
            yield _compared(session, a, b, orders if match == "assignment" else None, tolerance)


def _compared(
    session: Session, a: Match, b: Match, orders: list[NDArray[np.intp]] | None, tolerance: float
) -> LayerPair:
    """Two layers of the same shape; the filters are assigned if `orders` is given, which then grows."""
    from filterkit.comparison.assignment import assign
    from filterkit.comparison.difference import difference

    weights_a, weights_b = session.weights(a), session.weights(b)
    assignment, aligned = None, weights_b
    if orders is not None:
        read = a.layer["in_channels"] == weights_a.shape[1]  # a grouped filter reads only its group
        known = [order for order in orders if read and len(order) == weights_a.shape[1]]
        assignment = assign(weights_a, weights_b, known)
        aligned = assignment.apply(weights_b)
        orders.insert(0, assignment.filters)
    bias = _bias_difference(session, a, b, assignment.filters if assignment else slice(None))
    found = difference(weights_a, aligned, tolerance)
    return LayerPair(a, b, None, weights_a, weights_b, found, bias, assignment, b.model["name"])


def _bias_difference(
    session: Session, a: Match, b: Match, order: NDArray[np.intp] | slice
) -> NDArray[np.float64] | None:
    """Absolute difference of the biases per filter; a layer without biases counts as zeros."""
    import numpy as np

    one, other = session.bias(a), session.bias(b)
    if one is None and other is None:
        return None
    left = np.zeros(a.layer["filters"]) if one is None else one.astype(np.float64)
    right = np.zeros(b.layer["filters"]) if other is None else other.astype(np.float64)
    return np.abs(right[order] - left)


def _bank_bytes(match: Match) -> int:
    return 4 * math.prod(match.bank_shape)


def _check_choice(kind: str, word: str, choices: Any) -> None:
    """Raise UsageError unless `word` is one of the values of a Literal."""
    if word not in get_args(choices):
        raise UsageError(f"{kind} cannot be '{word}'", hint=closest(word, get_args(choices)))


def _pair_layers(a: Sequence[Match], b: Sequence[Match], match: Matching, *, any_shape: bool) -> list[Pair]:
    """Pair the layers of two models; two single layers are paired regardless of their names."""
    from filterkit.comparison.assignment import Layer, pair_by_name, pair_by_position

    left, right = (
        [Layer(each.layer["name"], () if any_shape else each.bank_shape) for each in side] for side in (a, b)
    )
    single = len(a) == len(b) == 1
    return (pair_by_name if _by_name(a, b, match) and not single else pair_by_position)(left, right)


def _by_name(a: Sequence[Match], b: Sequence[Match], match: Matching) -> bool:
    names, others = ({each.layer["name"] for each in side} for side in (a, b))
    return match == "name" or (match == "assignment" and bool(names & others))


def _nothing_in_common(
    a: Sequence[Match], b: Sequence[Match], pairs: Sequence[Pair], match: Matching
) -> NotFoundError:
    """The error for two models without layers that can be compared."""
    first = pairs[0]
    if len(a) == len(b) == 1:
        return NotFoundError(
            f"{a[0].address} and {b[0].address}: {first.reason}",
            hint="compare layers whose filters have one shape; `filterkit layers` lists them",
        )
    return NotFoundError(
        f"{a[0].model['name']} and {b[0].model['name']} have no layer in common by {match}",
        hint="--match position pairs the first layers, the second ones and so on"
        if _by_name(a, b, match)
        else f"their first layers: {first.reason}",
    )


def _in_total(pair: LayerPair) -> dict[str, Any]:
    """The differences of whole layers; empty if they cannot be compared."""
    from filterkit.comparison.difference import total
    from filterkit.operations import diff_by_response as by_response

    if pair.correlation is not None:
        return by_response.of_layer(pair.correlation)
    if pair.difference is None:
        return {}
    return {
        **dataclasses.asdict(total(pair.difference)),
        "filters": len(pair.difference.cosine),
        "bias_max_abs": None if pair.bias is None else float(pair.bias.max()),
        "moved": None if pair.assignment is None else int(pair.assignment.moved.sum()),
    }


def _filter_rows(names: Iterable[str], pair: LayerPair) -> Iterator[Row]:
    from filterkit.operations import diff_by_response as by_response

    address_a, address_b = _addresses(pair)
    columns = by_response.of_filters(pair.correlation) if pair.correlation is not None else _of_filters(pair)
    assert pair.similarities is not None
    for number in range(len(pair.similarities)):
        known = {name: values[number] for name, values in columns.items()}
        partner = pair.partner(number)
        other = f"{address_b}/{partner}" if partner >= 0 else None
        yield _row(names, known, f"{address_a}/{number}", other, pair)


def _of_filters(pair: LayerPair) -> dict[str, list[Any]]:
    """The differences of each filter."""
    each = pair.difference
    assert each is not None
    columns = {
        name: getattr(each, name).tolist()
        for name in ("cosine", "relative_l2", "max_abs", "scale", "changed", "sign_flips")
    }
    if pair.bias is not None:
        columns["bias_max_abs"] = pair.bias.tolist()
    if pair.assignment is not None:
        columns["moved"] = pair.assignment.moved.tolist()
    return columns


def _addresses(pair: LayerPair) -> tuple[str | None, str | None]:
    return pair.a.address if pair.a else None, pair.b.address if pair.b else None


def _row(columns: Iterable[str], known: dict[str, Any], a: str | None, b: str | None, pair: LayerPair) -> Row:
    """A row with None for what is unknown or undefined."""
    known = {**known, "address_a": a, "address_b": b, "reason": pair.reason, "model_b": pair.model_b}
    known |= dict(zip(("observation_a", "observation_b"), pair.observations, strict=True))
    known["pictures"] = pair.pictures
    values = ((name, known.get(name)) for name in columns)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values
    }
