"""Broken response metrics, and what the check says of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import problems
from power_sums import PowerSums

from filterkit.testing import check_response_metric
from filterkit.testing.response_metric_check import FILTERS, trial_maps


class Good:
    """Share of the positions above 0."""

    columns: Any = ("positive_share",)

    def summarize(self, maps: Any) -> Any:
        flat = maps.reshape(*maps.shape[:2], -1)
        return {"positive": (flat > 0).sum(axis=(0, 2)), "count": np.array([flat.shape[0] * flat.shape[2]])}

    def merge(self, one: Any, other: Any) -> Any:
        return {name: one[name] + other[name] for name in one}

    def values(self, summary: Any) -> Any:
        return {"positive_share": summary["positive"] / summary["count"]}


class MeanOfMeans(Good):
    """Takes batches to have equal sizes."""

    def merge(self, one: Any, other: Any) -> Any:
        shares = (self.values(one)["positive_share"] + self.values(other)["positive_share"]) / 2
        count = one["count"] + other["count"]
        return {"positive": np.rint(shares * count).astype(np.int64), "count": count}


class Last(Good):
    def merge(self, one: Any, other: Any) -> Any:
        return dict(other)


class PerPicture(Good):
    def summarize(self, maps: Any) -> Any:
        return {"positive": (maps > 0).reshape(*maps.shape[:2], -1).sum(axis=2), "count": np.array([1])}


class TwoAxes(Good):
    def summarize(self, maps: Any) -> Any:
        return {"positive": (maps > 0).sum(axis=(0, 2, 3)), "count": np.array([maps[:, 0].size])}


class Overflows(Good):
    def summarize(self, maps: Any) -> Any:
        return {"positive": (maps**4).reshape(*maps.shape[:2], -1).sum(axis=(0, 2)), "count": np.array([1])}


class ChangesMaps(Good):
    def summarize(self, maps: Any) -> Any:
        maps[maps < 0] = 0
        return super().summarize(maps)


class Adds(Good):
    def merge(self, one: Any, other: Any) -> Any:
        one["positive"] += other["positive"]
        return one


class Taken(Good):
    columns = ("fires_share",)

    def values(self, summary: Any) -> Any:
        return {"fires_share": summary["positive"] / summary["count"]}


class Nothing(Good):
    columns = ()

    def values(self, summary: Any) -> Any:
        return {}


class Remembers(Good):
    def __init__(self) -> None:
        self.seen = 0

    def summarize(self, maps: Any) -> Any:
        self.seen += 1
        return {**super().summarize(maps), "count": np.array([self.seen])}


class Guesses(Good):
    def values(self, summary: Any) -> Any:
        return {"positive_share": np.array([random.random() for _ in summary["positive"]])}


class Litters(Good):
    def values(self, summary: Any) -> Any:
        Path("values.txt").write_text("#")
        return super().values(summary)


class WrongLength(Good):
    def values(self, summary: Any) -> Any:
        return {"positive_share": np.ones(2)}


@pytest.mark.parametrize("metric", [Good, Good(), PowerSums])
def test_good_ones_pass(metric: Any) -> None:
    check_response_metric(metric)


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        (MeanOfMeans, "gives other values if pictures are merged"),
        (Last, "gives other values if two summaries are merged in another order (with "),
        (PerPicture, "summarize() returned an array of int64 and shape (1, 3) as 'positive', but"),
        (TwoAxes, "summarize() raised AxisError: "),
        (Overflows, "summarize() returned numbers that are not finite as 'positive' (with huge values)"),
        (ChangesMaps, "writes to its input, which is read-only"),
        (Adds, "writes to its input, which is read-only"),
        (Taken, "declares the column 'fires_share', which filterkit already has"),
        (Nothing, "declares no columns"),
        (Remembers, "measures 'positive_share' differently the second time"),
        (Guesses, "measures 'positive_share' differently the second time"),
        (Litters, "writes files to the working folder:  values.txt"),
        (WrongLength, "values() returned shape (2,) for 'positive_share' of 3 filters"),
        (lambda: 3, "is an int, which is not a ResponseMetric: it lacks columns, summarize, merge, values"),
    ],
)
def test_what_is_broken_is_found(metric: Any, problem: str) -> None:
    assert problem in problems(check_response_metric, metric)


def test_trial_maps_are_finite_maps_of_the_same_filters() -> None:
    for name, maps in trial_maps():
        assert maps.dtype == np.float32, name
        assert maps.ndim in (3, 4, 5), name
        assert maps.shape[1] == FILTERS, name
        assert np.isfinite(maps**2).all(), name
