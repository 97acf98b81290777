"""Two models, layer by layer: what differs, as rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.matches import Match
    from filterkit.comparison.assignment import Assignment
    from filterkit.comparison.difference import Difference
    from filterkit.comparison.pairing import Pair
    from filterkit.plugins.protocols import Row
    from filterkit.records import FloatArray

Matching = Literal["name", "position", "assignment"]
Level = Literal["layer", "filter"]

LAYER_COLUMNS = (
    *("address_a", "address_b", "filters", "cosine", "relative_l2", "max_abs", "scale", "changed"),
    *("sign_flips", "cosine_scaled", "cosine_min", "scale_min", "scale_max", "bias_max_abs", "moved"),
    *("not_finite", "reason"),
)
FILTER_COLUMNS = (
    *("address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale", "changed", "sign_flips"),
    *("bias_max_abs", "moved", "reason"),
)


@dataclass(frozen=True, slots=True, eq=False)
class LayerPair:
    """Two layers, or one without a partner.

    Attributes
    ----------
    a, b
        One of them may be None.
    reason
        Why they cannot be compared, where they cannot; what follows is None then.
    weights_a, weights_b
        Their banks, mapped.
    difference
        Of the filters of `a` and their partners.
    bias
        Magnitude of the difference of the biases, shape (filters,); None where neither layer has any.
    assignment
        Which filter of `b` is whose partner; None where it is the one of the same number.
    """

    a: Match | None
    b: Match | None
    reason: str | None = None
    weights_a: FloatArray | None = None
    weights_b: FloatArray | None = None
    difference: Difference | None = None
    bias: NDArray[np.float64] | None = None
    assignment: Assignment | None = None

    def partner(self, number: int) -> int:
        """The filter of `b` that goes with filter `number` of `a`."""
        return number if self.assignment is None else int(self.assignment.filters[number])


class Differences(Rows):
    """Rows about two models; a sheet can be made of them.

    Attributes
    ----------
    pairs
        What the rows are about, layer by layer.
    level
        Whether there is a row per layer or per filter.
    not_finite
        How many pairs of filters hold NaN or infinity.
    """

    def __init__(self, pairs: Iterable[LayerPair], level: Level) -> None:
        self.pairs = tuple(pairs)
        self.level = level
        differences = [pair.difference for pair in self.pairs if pair.difference is not None]
        self.not_finite = sum(int((~each.finite).sum()) for each in differences)
        if level == "layer":
            super().__init__(map(_layer_row, self.pairs), LAYER_COLUMNS)
        else:
            super().__init__((row for pair in self.pairs for row in _filter_rows(pair)), FILTER_COLUMNS)


def check_choice(kind: str, word: str, choices: Any) -> None:
    """Raise UsageError where `word` is none of a Literal's."""
    if word not in get_args(choices):
        raise UsageError(f"{kind} cannot be '{word}'", hint=closest(word, get_args(choices)))


def pair_layers(a: Sequence[Match], b: Sequence[Match], match: Matching) -> list[Pair]:
    """Partners among the layers of two models; two single layers are partners whatever they are called.

    Raises
    ------
    NotFoundError
        There are none.
    """
    from filterkit.comparison.pairing import Layer, pair_by_name, pair_by_position

    left, right = ([Layer(each.layer["name"], bank_shape(each)) for each in side] for side in (a, b))
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
            f"{a[0].model['name']} and {b[0].model['name']} have no layer in common, by {match}",
            hint="--match position takes the first layers for partners, the second ones and so on"
            if by_name
            else f"their first layers: {pairs[0].reason}",
        )
    return pairs


def bank_shape(match: Match) -> tuple[int, ...]:
    """Shape of a layer's bank, by its row."""
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
    """A row with None for what is not known or not defined."""
    known = {**known, "address_a": a, "address_b": b, "reason": reason}
    values = ((name, known.get(name)) for name in columns)
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values
    }
