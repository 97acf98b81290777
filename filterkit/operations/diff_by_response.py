"""Compare the layers of models by their responses to the same pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from filterkit.operations.observed_layers import ObservedLayers
from filterkit.results.diff import LayerPair

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.comparison.assignment import Pair
    from filterkit.comparison.correlation import LayerCorrelation
    from filterkit.errors import FilterkitError
    from filterkit.session import Session

LAYER_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("address_a", "address_b"), str),
    "filters": int,
    **dict.fromkeys(("cka", "correlation", "correlation_min"), float),
    **dict.fromkeys(("undefined", "moved", "not_finite", "pictures"), int),
    **dict.fromkeys(("observation_a", "observation_b", "reason", "model_b"), str),
}
FILTER_COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("address_a", "address_b"), str),
    **dict.fromkeys(("correlation", "response_mean_a", "response_mean_b"), float),
    "moved": bool,
    "pictures": int,
    **dict.fromkeys(("observation_a", "observation_b", "reason", "model_b"), str),
}
"""Columns of rows, and the types of their values."""

EXAMPLES = {
    "l1_norm > 2": "correlation < 0.9",
    "sparsity > 0.5": "correlation > 0.5",
    "layer like 'block1%'": "address_a like '%/block1%'",
}
"""Parts of conditions on filters in hints, and what to write for these rows."""


class ObservedPairs:
    """Compares layers of `left` with those of other models, by named observations or the newest ones.

    `name` is that of the observation of `left`, `name_b` of the others.
    """

    def __init__(
        self,
        session: Session,
        left: Sequence[Match],
        rights: Iterable[Sequence[Match]],
        name: str | None,
        name_b: str | None,
    ) -> None:
        every = {match.layer["id"]: match for side in (left, *rights) for match in side}
        self._session, self._names = session, (name, name_b)
        self._layers = ObservedLayers(session.catalog(), list(every.values()))

    def with_reasons(
        self, left: Sequence[Match], right: Sequence[Match], pairs: Sequence[Pair]
    ) -> list[Pair]:
        """The pairs of layers, those that cannot be compared with the reason."""
        return [
            pair
            if pair.a is None or pair.b is None or pair.reason
            else replace(pair, reason=self._reason(left[pair.a], right[pair.b]))
            for pair in pairs
        ]

    def error(self, pairs: Sequence[tuple[Match, Match]]) -> FilterkitError:
        """Why none of these pairs of layers can be compared."""
        name, name_b = self._names
        observed = (
            pair for pair in pairs if self._layers.of(pair[0], name) and self._layers.of(pair[1], name_b)
        )
        a, b = next(observed, pairs[0])
        reference = self._layers.reference(a, name)
        self._layers.reference(b, name_b)
        return self._layers.different(reference, a.model["name"], b, name_b)

    def compared(self, a: Match, b: Match, *, assign: bool) -> LayerPair:
        """Two layers that were observed over the same pictures."""
        from filterkit.comparison.correlation import correlate

        reference = self._layers.reference(a, self._names[0])
        row = self._layers.alike(reference, b, self._names[1])
        assert row is not None
        found = correlate(
            self._layers.responses(a, reference), self._layers.responses(b, row, reference), assign=assign
        )
        return LayerPair(
            *(a, b, None, self._session.weights(a), self._session.weights(b)),
            model_b=b.model["name"],
            correlation=found,
            observations=(reference["name"], row["name"]),
            pictures=reference["pictures"],
        )

    def _reason(self, a: Match, b: Match) -> str | None:
        found = self._layers.of(a, self._names[0])
        if not found or not self._layers.of(b, self._names[1]):
            return f"{(b if found else a).model['name']} has no {self._called(bool(found))} of this layer"
        reference = self._layers.reference(a, self._names[0])
        if self._layers.alike(reference, b, self._names[1]) is None:
            at = f" with --at {reference['options']['at']}" if self._names[1] is None else ""
            return (
                f"{b.model['name']} has no {self._called(True)} of the pictures in '{reference['name']}'{at}"
            )
        return None

    def _called(self, second: bool) -> str:
        name = self._names[second]
        return "observation" if name is None else f"observation '{name}'"


def of_layer(found: LayerCorrelation) -> dict[str, Any]:
    """The columns of two layers as wholes."""
    import numpy as np

    undefined = np.isnan(found.correlation)
    defined = found.correlation[~undefined]
    return {
        "filters": len(undefined),
        "cka": found.cka,
        "correlation": float(defined.mean()) if defined.size else math.nan,
        "correlation_min": float(defined.min()) if defined.size else math.nan,
        "undefined": int(undefined.sum()),
        "moved": None if found.moved is None else int(found.moved.sum()),
        "not_finite": found.not_finite,
    }


def of_filters(found: LayerCorrelation) -> dict[str, list[Any]]:
    """The columns of each filter of a layer."""
    moved = {} if found.moved is None else {"moved": found.moved.tolist()}
    return {
        **moved,
        "correlation": found.correlation.tolist(),
        "response_mean_a": found.means.tolist(),
        "response_mean_b": found.other_means.tolist(),
    }
