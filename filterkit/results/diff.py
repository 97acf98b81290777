"""The result of a comparison: the differences between a model and others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import one_line
from filterkit.results.rows import Rows
from filterkit.results.sheet import Pictured
from filterkit.short_reprs import array_text, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.comparison.assignment import Assignment
    from filterkit.comparison.correlation import LayerCorrelation
    from filterkit.comparison.difference import Difference
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet

Place = tuple[int, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class LayerPair:
    """Two layers, or one without a partner.

    Attributes
    ----------
    a, b
        The layers; one of them may be None.
    reason
        Why they cannot be compared, or None; if set, the following attributes are None.
    weights_a, weights_b
        Their banks, memory-mapped.
    difference
        Differences between the filters of `a` and their partners.
    bias
        Absolute difference of the biases, shape (filters,); None if neither layer has any.
    assignment
        The pairing of filters of `a` and `b`; None if those of the same number are partners.
    model_b
        The model that `b` is from, or would be.
    correlation
        Similarity of their responses, if they were compared by these; then there is no `difference`.
    observations
        The names of the observations of `a` and `b`, if they were compared by responses.
    pictures
        Number of pictures in these.
    """

    a: Match | None
    b: Match | None
    reason: str | None = None
    weights_a: FloatArray | None = None
    weights_b: FloatArray | None = None
    difference: Difference | None = None
    bias: NDArray[np.float64] | None = None
    assignment: Assignment | None = None
    model_b: str = ""
    correlation: LayerCorrelation | None = None
    observations: tuple[str, str] | tuple[None, None] = (None, None)
    pictures: int | None = None

    def __repr__(self) -> str:
        a, b = (each.address if each else "nothing" for each in (self.a, self.b))
        result = self.reason or "not compared"
        if self.difference is not None:
            result = f"cosines {array_text(self.difference.cosine)}"
        elif self.correlation is not None:
            result = f"correlations {array_text(self.correlation.correlation)}"
        return shortened(one_line(f"<LayerPair {a} and {b}: {result}>"))

    def partner(self, number: int) -> int:
        """The filter of `b` that is the partner of filter `number` of `a`; -1 if there is none."""
        if self.correlation is not None:
            return int(self.correlation.partners[number])
        return number if self.assignment is None else int(self.assignment.filters[number])

    @property
    def similarities(self) -> NDArray[np.float64] | None:
        """Cosine or correlation of each filter of `a` and its partner, NaN if undefined.

        None if the layers were not compared.
        """
        if self.correlation is not None:
            return self.correlation.correlation
        return None if self.difference is None else self.difference.cosine


class Differences(Rows, Pictured):
    """The differences between a model and others; `Workbench.sheet` draws them.

    Attributes
    ----------
    pairs
        The compared layers, including those of rows that were not selected.
    level
        Whether there is one row per layer or per filter.
    places
        For each row, the index of its layers in `pairs`, and the number of its filter in `a`, or None for the
        whole layer.
    is_sorted
        Whether the rows are in a requested order, which their picture keeps.
    sorted_by
        The names of the columns of that order, with ``-`` before one in descending order.
    not_finite
        Number of pairs of filters that contain NaN or infinity, in all `pairs`; of filters, by responses.
    """

    default_normalizer = "symmetric:per=filter"
    _per_row = ("places",)

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        pairs: tuple[LayerPair, ...],
        level: Literal["layer", "filter"],
        places: Sequence[Place],
        *,
        is_sorted: bool = False,
        sorted_by: Sequence[str] = (),
    ) -> None:
        super().__init__(rows, columns)
        self.pairs, self.level, self.places, self.is_sorted = pairs, level, places, is_sorted
        self.sorted_by = tuple(sorted_by)
        differences = [pair.difference for pair in pairs if pair.difference is not None]
        self.not_finite = sum(int((~each.finite).sum()) for each in differences) + sum(
            pair.correlation.not_finite for pair in pairs if pair.correlation is not None
        )

    @property
    def models(self) -> dict[str, str]:
        """The SHA-256 of each compared model, by its name."""
        sides = (side for pair in self.pairs for side in (pair.a, pair.b) if side is not None)
        return {side.model["name"]: side.model["sha256"] for side in sides}

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """The least similar pairs of filters of the rows, worst first, or in the order of sorted rows.

        Raises
        ------
        UsageError
            No pair of filters is finite.
        """
        from filterkit.sheets.pairs import pairs_to_sheet

        return pairs_to_sheet(self, normalizer)
