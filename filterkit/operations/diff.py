"""Compare two models layer by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.address import parse_address
from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.results.diff import Differences, LayerPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.comparison.assignment import Pair
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.session import Session

Matching = Literal["name", "position", "assignment"]
Level = Literal["layer", "filter"]

TOLERANCE = 1e-5
"""Above the rounding error of float32, below that of float16."""

LAYER_COLUMNS = (
    *("address_a", "address_b", "filters", "cosine", "relative_l2", "max_abs", "scale", "changed"),
    *("sign_flips", "cosine_scaled", "cosine_min", "scale_min", "scale_max", "bias_max_abs", "moved"),
    *("not_finite", "reason"),
)
FILTER_COLUMNS = (
    *("address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale", "changed", "sign_flips"),
    *("bias_max_abs", "moved", "reason"),
)


def diff(session: Session, a: str, b: str, *, match: Matching, level: Level, tolerance: float) -> Differences:
    """See `Workbench.diff`."""
    _check_choice("match", match, Matching)
    _check_choice("level", level, Level)
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise UsageError(
            f"tolerance must be a finite number of at least 0, not {tolerance}", hint="the default is 1e-5"
        )
    left, right = _side(session, a), _side(session, b)
    with session.progress() as progress:
        pairs = tuple(_layer_pairs(session, progress, left, right, match, tolerance))
    if level == "layer":
        return Differences(map(_layer_row, pairs), LAYER_COLUMNS, pairs, level)
    rows = (row for pair in pairs for row in _filter_rows(pair))
    return Differences(rows, FILTER_COLUMNS, pairs, level)


def _side(session: Session, address: str) -> list[Match]:
    asked = parse_address(address)
    if asked.filters is not None:
        raise UsageError(
            f"'{address}' names single filters, but diff compares whole layers",
            hint=f"use {asked.model}/{asked.layer}, with --level filter for one row per filter",
        )
    matches = session.matches(address)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="compare one model with another")
    return matches


def _layer_pairs(
    session: Session,
    progress: Progress,
    left: list[Match],
    right: list[Match],
    match: Matching,
    tolerance: float,
) -> Iterator[LayerPair]:
    from filterkit.comparison.assignment import assign
    from filterkit.comparison.difference import difference

    orders: list[NDArray[np.intp]] = []  # of the filters of earlier layers, the nearest first
    pairs = _pair_layers(left, right, match)
    done, total = (
        0,
        sum(_bank_bytes(left[pair.a]) for pair in pairs if pair.a is not None and not pair.reason),
    )
    for pair in pairs:
        progress("comparing layers", done, total)
        a = None if pair.a is None else left[pair.a]
        b = None if pair.b is None else right[pair.b]
        if a is None or b is None or pair.reason:
            yield LayerPair(a, b, pair.reason)
            continue
        weights_a, weights_b = session.weights(a), session.weights(b)
        assignment, aligned = None, weights_b
        if match == "assignment":
            read = a.layer["in_channels"] == weights_a.shape[1]  # a grouped filter reads only its group
            known = [order for order in orders if read and len(order) == weights_a.shape[1]]
            assignment = assign(weights_a, weights_b, known)
            aligned = assignment.apply(weights_b)
            orders.insert(0, assignment.filters)
        bias = _bias_difference(session, a, b, assignment.filters if assignment else slice(None))
        found = difference(weights_a, aligned, tolerance)
        done += _bank_bytes(a)
        yield LayerPair(a, b, None, weights_a, weights_b, found, bias, assignment)


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
    return 4 * math.prod(_bank_shape(match))


def _check_choice(kind: str, word: str, choices: Any) -> None:
    """Raise UsageError unless `word` is one of the values of a Literal."""
    if word not in get_args(choices):
        raise UsageError(f"{kind} cannot be '{word}'", hint=closest(word, get_args(choices)))


def _pair_layers(a: Sequence[Match], b: Sequence[Match], match: Matching) -> list[Pair]:
    """Pair the layers of two models; two single layers are paired regardless of their names.

    Raises
    ------
    NotFoundError
        No layers can be compared.
    """
    from filterkit.comparison.assignment import Layer, pair_by_name, pair_by_position

    left, right = ([Layer(each.layer["name"], _bank_shape(each)) for each in side] for side in (a, b))
    share_names = bool({layer.name for layer in left} & {layer.name for layer in right})
    single = len(a) == len(b) == 1
    by_name = match == "name" or (match == "assignment" and share_names)
    pairs = (pair_by_name if by_name and not single else pair_by_position)(left, right)
    if all(pair.reason for pair in pairs):
        if single:
            raise NotFoundError(
                f"{a[0].address} and {b[0].address}: {pairs[0].reason}",
                hint="compare layers whose filters have one shape; `filterkit layers` lists them",
            )
        raise NotFoundError(
            f"{a[0].model['name']} and {b[0].model['name']} have no layer in common by {match}",
            hint="--match position pairs the first layers, the second ones and so on"
            if by_name
            else f"their first layers: {pairs[0].reason}",
        )
    return pairs


def _bank_shape(match: Match) -> tuple[int, ...]:
    """Shape of a layer's bank, from its row."""
    layer = match.layer
    return (layer["filters"], layer["kernels"] // layer["filters"], *layer["kernel_shape"])


def _layer_row(pair: LayerPair) -> Row:
    from filterkit.comparison.difference import total

    known: dict[str, Any] = {}
    if pair.difference is not None:
        known = dataclasses.asdict(total(pair.difference))
        known["filters"] = len(pair.difference.cosine)
        known["bias_max_abs"] = None if pair.bias is None else float(pair.bias.max())
        known["moved"] = None if pair.assignment is None else int(pair.assignment.moved.sum())
    return _row(LAYER_COLUMNS, known, *_addresses(pair), pair.reason)


def _filter_rows(pair: LayerPair) -> Iterator[Row]:
    address_a, address_b = _addresses(pair)
    each = pair.difference
    if each is None:
        yield _row(FILTER_COLUMNS, {}, address_a, address_b, pair.reason)
        return
    columns = {
        name: getattr(each, name).tolist()
        for name in ("cosine", "relative_l2", "max_abs", "scale", "changed", "sign_flips")
    }
    if pair.bias is not None:
        columns["bias_max_abs"] = pair.bias.tolist()
    if pair.assignment is not None:
        columns["moved"] = pair.assignment.moved.tolist()
    for number in range(len(each.cosine)):
        known = {name: values[number] for name, values in columns.items()}
        yield _row(
            FILTER_COLUMNS, known, f"{address_a}/{number}", f"{address_b}/{pair.partner(number)}", None
        )


def _addresses(pair: LayerPair) -> tuple[str | None, str | None]:
    return pair.a.address if pair.a else None, pair.b.address if pair.b else None


def _row(
    columns: Sequence[str], known: dict[str, Any], a: str | None, b: str | None, reason: str | None
) -> Row:
    """A row with None for what is unknown or undefined."""
    known = {**known, "address_a": a, "address_b": b, "reason": reason}
    values = ((name, known.get(name)) for name in columns)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values
    }
