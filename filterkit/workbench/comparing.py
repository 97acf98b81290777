"""One model held against another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.workbench.base import Bench
from filterkit.workbench.differences import (
    Differences,
    LayerPair,
    Level,
    Matching,
    bank_shape,
    check_choice,
    pair_layers,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.matches import Match

TOLERANCE = 1e-5
"""Above what rounding to float32 does, below what rounding to float16 does."""


class Comparing(Bench):
    """What differs between two models."""

    def diff(
        self,
        a: str,
        b: str,
        *,
        match: Matching = "name",
        level: Level = "layer",
        tolerance: float = TOLERANCE,
    ) -> Differences:
        """Hold the filters of `b` against those of `a`.

        Parameters
        ----------
        a, b
            A model each, or layers of one: ``"vgg16"``, ``"vgg16/block5_*"``. Two single layers are compared
            whatever they are called.
        match
            Which layers are partners: those of the same ``"name"`` or ``"position"``. ``"assignment"`` also
            finds which filters are, where they were shuffled; its layers go by name where the models share
            any, else by position.
        level
            A row per ``"layer"`` or per ``"filter"``.
        tolerance
            A filter counts as changed where it lies further from its partner than so many times its length.

        Returns
        -------
        Differences
            Rows; layers without a partner stand among them with the ``reason``. `sheet` draws the pairs that
            differ most.

        Raises
        ------
        NotFoundError
            There is no such model or layer, or the two have no layer in common.
        UsageError
            An address names several models or single filters; a wrong `match`, `level` or `tolerance`.
        """
        check_choice("match", match, Matching)
        check_choice("level", level, Level)
        if not (tolerance >= 0 and math.isfinite(tolerance)):
            raise UsageError(f"a tolerance of {tolerance} makes no sense", hint="give a number from 0 up")
        return Differences(self._layer_pairs(self._side(a), self._side(b), match, tolerance), level)

    def _side(self, address: str) -> list[Match]:
        asked = parse_address(address)
        if asked.filters is not None:
            raise UsageError(
                f"'{address}' names single filters, and whole layers are compared",
                hint=f"{asked.model}/{asked.layer}, with --level filter for a row per filter",
            )
        matches = self._matches(address)
        if len({match.model["name"] for match in matches}) > 1:
            raise UsageError(f"'{address}' names several models", hint="compare one with one")
        return matches

    def _layer_pairs(
        self, left: list[Match], right: list[Match], match: Matching, tolerance: float
    ) -> Iterator[LayerPair]:
        from filterkit.comparison.assignment import assign
        from filterkit.comparison.difference import difference

        orders: list[NDArray[np.intp]] = []  # of the filters of the layers in front, the nearest first
        pairs = pair_layers(left, right, match)
        done, total = 0, sum(_bytes(left[pair.a]) for pair in pairs if pair.a is not None and not pair.reason)
        for pair in pairs:
            self._progress("comparing layers", done, total)
            a = None if pair.a is None else left[pair.a]
            b = None if pair.b is None else right[pair.b]
            if a is None or b is None or pair.reason:
                yield LayerPair(a, b, pair.reason)
                continue
            weights_a, weights_b = self._weights(a), self._weights(b)
            assignment, aligned = None, weights_b
            if match == "assignment":
                read = a.layer["in_channels"] == weights_a.shape[1]  # else only its group's
                known = [order for order in orders if read and len(order) == weights_a.shape[1]]
                assignment = assign(weights_a, weights_b, known)
                aligned = assignment.apply(weights_b)
                orders.insert(0, assignment.filters)
            bias = self._bias_difference(a, b, assignment.filters if assignment else slice(None))
            found = difference(weights_a, aligned, tolerance)
            done += _bytes(a)
            yield LayerPair(a, b, None, weights_a, weights_b, found, bias, assignment)

    def _bias_difference(
        self, a: Match, b: Match, order: NDArray[np.intp] | slice
    ) -> NDArray[np.float64] | None:
        """Per filter; a layer without biases has zeros."""
        import numpy as np

        one, other = self._bias(a), self._bias(b)
        if one is None and other is None:
            return None
        left = np.zeros(a.layer["filters"]) if one is None else one.astype(np.float64)
        right = np.zeros(b.layer["filters"]) if other is None else other.astype(np.float64)
        return np.abs(right[order] - left)


def _bytes(match: Match) -> int:
    """Of a layer's bank."""
    return 4 * math.prod(bank_shape(match))
