"""The results of observing: what was observed, and how strongly a filter responds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import one_line
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

ObserveStatus = Literal["observed", "continued", "unchanged"]


@dataclass(frozen=True, slots=True, repr=False)
class Observation:
    """One run of a model over pictures, which is in the catalog now.

    Attributes
    ----------
    model, name
        The model, and the name of the observation among its own.
    status
        ``"observed"``; ``"continued"`` if it had been interrupted, if pictures or layers were added, or if
        the pictures have other labels; or ``"unchanged"`` if all of it had been observed before.
    pictures
        How many pictures it has.
    added
        How many of them are new.
    copies
        How many pictures were not counted because they are byte-equal to another.
    left_out
        How many could not be read.
    layers, filters
        How many of the model were observed.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran; None if nothing had to run.
    seconds
        How long it took.
    metrics
        Columns of filters that response metrics of plugins filled.
    unmeasured
        Columns of those that failed.
    """

    model: str
    name: str
    status: ObserveStatus
    pictures: int
    added: int
    copies: int
    left_out: int
    layers: int
    filters: int
    provider: str | None
    seconds: float
    metrics: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)

    def to_row(self) -> Row:
        """The row of `filterkit observe`."""
        return {
            "model": self.model,
            "observation": self.name,
            "status": self.status,
            "pictures": self.pictures,
            "added": self.added,
            "copies": self.copies,
            "left_out": self.left_out,
            "layers": self.layers,
            "filters": self.filters,
            "provider": self.provider,
            "seconds": round(self.seconds, 4),
            "metrics": self.metrics,
            "unmeasured": self.unmeasured,
        }

    def __repr__(self) -> str:
        return one_line(
            f"<Observation '{self.name}' of {self.model}: {self.pictures:,} pictures, "
            f"{self.layers:,} layers, {self.filters:,} filters, {self.status}>"
        )


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
