"""What response metrics of plugins keep of the maps of a layer, and how it becomes arrays in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.plugins.response_metric_contract import summary_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.response_metric_contract import CheckedResponseMetric

    Arrays = Mapping[str, NDArray[Any]]

PREFIX = "metric/"
"""Of the names of arrays in a file, ``metric/SPEC/NAME``."""

COUNT = "#"
"""The name of the number of pictures; those of a summary are identifiers."""


@dataclass(slots=True)
class MetricSummary:
    """What a metric keeps of the maps of a layer.

    Attributes
    ----------
    pictures
        Of how many pictures.
    arrays
        As `ResponseMetric.summarize` returns them; empty without pictures.
    """

    pictures: int = 0
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, metric: CheckedResponseMetric, maps: NDArray[np.float32]) -> None:
        """Add maps of shape (pictures, filters, *spatial); an error changes nothing."""
        found = metric.summarize(maps)
        # A copy, as it may be a view of the maps.
        self.arrays = (
            metric.merge(self.arrays, found)
            if self.pictures
            else {name: array.copy() for name, array in found.items()}
        )
        self.pictures += len(maps)

    def merge(self, metric: CheckedResponseMetric, other: MetricSummary) -> None:
        """Add what was kept of other pictures; an error changes nothing."""
        if other.pictures:
            self.arrays = metric.merge(self.arrays, other.arrays) if self.pictures else dict(other.arrays)
            self.pictures += other.pictures


Summaries = Mapping[str, MetricSummary]
"""By the spec of the metric."""


def to_arrays(summaries: Summaries) -> dict[str, NDArray[Any]]:
    """All of it by name, for `from_arrays`."""
    arrays: dict[str, NDArray[Any]] = {}
    for spec, summary in summaries.items():
        if not summary.pictures:
            continue
        arrays[f"{PREFIX}{spec}/{COUNT}"] = np.array([summary.pictures], np.int64)
        arrays |= {f"{PREFIX}{spec}/{name}": array for name, array in summary.arrays.items()}
    return arrays


def from_arrays(arrays: Arrays) -> dict[str, MetricSummary]:
    """Inverse of `to_arrays`; ignores arrays of other names.

    Raises
    ------
    ValueError
        These are not summaries; whether they are of the right shape is checked when others are merged.
    """
    found: dict[str, MetricSummary] = {}
    for full, array in arrays.items():
        if not full.startswith(PREFIX):
            continue
        spec, _, name = full.removeprefix(PREFIX).rpartition("/")
        summary = found.setdefault(spec, MetricSummary())
        if name != COUNT:
            summary.arrays[name] = array.copy()
        elif array.dtype == np.int64 and array.shape == (1,):
            summary.pictures = int(array[0])
    for summary in found.values():
        problem = summary_problem(summary.arrays)
        if problem is not None or summary.pictures < 1:
            raise ValueError(problem or "invalid number of pictures")
    return found
