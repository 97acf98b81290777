"""The result of a histogram of responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row


class ResponseHistogram(Rows):
    """How many pictures have which maximum response of a filter.

    Attributes
    ----------
    observation
        The name of the observation.
    quantiles
        The median and the 99th percentile of the maxima, as ``p50`` and ``p99``.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        observation: str,
        quantiles: Mapping[str, float],
    ) -> None:
        super().__init__(rows, columns)
        self.observation, self.quantiles = observation, dict(quantiles)
