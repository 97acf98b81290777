"""Summaries and values that a plugin's response metric returns are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contracts import Make, contract_error

from filterkit.errors import PluginError
from filterkit.plugins import response_metric_contract

MAPS = np.ones((2, 4, 3, 3), np.float32)
FOUR = np.arange(4)
SUM = {"a": FOUR, "b": np.ones((4, 2))}


class Metric:
    columns: Any = ("a", "b")

    def __init__(self, summary: Any = None, merged: Any = None, values: Any = None) -> None:
        self.summary, self.merged, self.found = summary, merged, values

    def summarize(self, maps: Any) -> Any:
        return self.summary(maps) if callable(self.summary) else self.summary

    def merge(self, one: Any, other: Any) -> Any:
        return self.merged(one, other) if callable(self.merged) else self.merged

    def values(self, summary: Any) -> Any:
        return self.found(summary) if callable(self.found) else self.found


@pytest.mark.parametrize(
    ("summary", "problem"),
    [
        (None, "returned None, not a dict"),
        ({1: FOUR}, "returned the name '1', which is not an identifier"),
        ({"a/b": FOUR}, "returned the name 'a/b', which is not an identifier"),
        ({"a": [1, 2]}, "returned a list as 'a', not an array"),
        ({"a": np.float64(1)}, "returned a float64 as 'a', not an array"),
        ({"a": FOUR.astype(object)}, "returned an array of object as 'a'"),
        ({"a": np.array(["x"])}, "returned an array of <U1 as 'a'"),
        ({"a": FOUR.astype(">i4")}, "returned an array of >i4 as 'a'"),
        ({"a": np.array([1, np.nan])}, "returned numbers that are not finite as 'a'"),
        ({"a": np.array(np.inf, np.float32)}, "returned numbers that are not finite as 'a'"),
    ],
)
def test_summaries(make: Make, summary: Any, problem: str) -> None:
    made = make("response-metric", Metric(summary, merged=summary))
    named = "response-metric 'mine': "
    assert contract_error(lambda: made.summarize(MAPS)) == f"{named}summarize() {problem}"
    assert contract_error(lambda: made.merge(SUM, SUM)) == f"{named}merge() {problem}"


@pytest.mark.parametrize(("limit", "fits"), [(32, True), (31, False)])
def test_a_summary_has_a_limit(make: Make, monkeypatch: pytest.MonkeyPatch, limit: int, fits: bool) -> None:
    monkeypatch.setattr(response_metric_contract, "LARGEST_SUMMARY", limit)
    made = make("response-metric", Metric({"a": FOUR}))
    if fits:
        assert made.summarize(MAPS)["a"] is FOUR
    else:
        assert contract_error(lambda: made.summarize(MAPS)).endswith("of 32 bytes; the limit is 31")


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({"a": FOUR}, "nothing as 'b', but an array of float64 and shape (4, 2)"),
        (
            {**SUM, "b": np.ones((4, 3))},
            "an array of float64 and shape (4, 3) as 'b', but an array of float64",
        ),
        ({**SUM, "a": FOUR.astype("i4")}, "an array of int32 and shape (4,) as 'a', but an array of int64"),
        ({**SUM, "c": FOUR}, "an array of int64 and shape (4,) as 'c', but nothing"),
    ],
)
def test_all_summaries_are_alike(make: Make, other: Any, problem: str) -> None:
    metric = Metric(merged=SUM)
    made = make("response-metric", metric)
    assert f"summarize() returned {problem}" in contract_error(lambda: made.merge(SUM, other))
    metric.merged = other
    assert f"merge() returned {problem}" in contract_error(lambda: made.merge(SUM, SUM))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (None, "returned None, not a dict"),
        ({"a": FOUR}, "returned columns ['a'], but declared ['a', 'b']"),
        ({"a": FOUR, "b": [1, 2, 3, 4]}, "returned a list for 'b', not an array of numbers"),
        ({"a": FOUR, "b": FOUR.astype(str)}, "returned an array of <U21 for 'b', not an array of numbers"),
        ({"a": FOUR, "b": FOUR[:3]}, "returned shape (3,) for 'b' of 4 filters"),
        ({"a": FOUR, "b": FOUR[:, None]}, "returned shape (4, 1) for 'b' of 4 filters"),
    ],
)
def test_values(make: Make, values: Any, problem: str) -> None:
    made = make("response-metric", Metric(values=values))
    assert contract_error(lambda: made.values(SUM, 4)) == f"response-metric 'mine': values() {problem}"


def test_arguments_cannot_be_changed(make: Make) -> None:
    def scribble(*given: Any) -> Any:
        for each in given:
            (each["a"] if isinstance(each, dict) else each)[:] = 0
        return SUM

    made = make("response-metric", Metric(scribble, scribble, scribble))
    for call in (lambda: made.summarize(MAPS), lambda: made.merge(SUM, SUM), lambda: made.values(SUM)):
        with pytest.raises(PluginError, match="read-only"):
            call()
    assert MAPS.min() == 1
    assert FOUR.max() == 3


@pytest.mark.parametrize("columns", ["a", ("a", 1), ("a b",), ("Mean",)])
def test_columns_are_names(make: Make, columns: Any) -> None:
    metric = Metric()
    metric.columns = columns
    assert "has columns that are not a tuple of names" in contract_error(
        lambda: make("response-metric", metric)
    )


def test_an_object_without_the_methods_is_refused(make: Make) -> None:
    class Half:
        columns = ("a",)

        def summarize(self, maps: Any) -> Any: ...

    problem = contract_error(lambda: make("response-metric", Half()))
    assert (
        problem == "response-metric 'mine' is a Half, which is not a ResponseMetric: it lacks merge, values"
    )
