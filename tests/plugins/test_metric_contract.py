"""Numbers and texts that a plugin's metric returns are checked, of filters and of layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contracts import BANK, Make, contract_error

from filterkit.errors import PluginError
from filterkit.records import FilterBank


class Metric:
    columns = ("a", "b")

    def __init__(self, result: Any) -> None:
        self.result = result

    def measure(self, bank: FilterBank) -> Any:
        return self.result(bank) if callable(self.result) else self.result


FOUR = np.arange(4)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not a dict"),
        ({"a": FOUR}, "returned columns ['a'], but declared ['a', 'b']"),
        ({"a": FOUR, "b": FOUR, "c": FOUR}, "returned columns ['a', 'b', 'c'], but declared ['a', 'b']"),
        ({"a": FOUR, "b": [1, 2, 3, 4]}, "returned a list for 'b', not an array of numbers or strings"),
        (
            {"a": FOUR, "b": FOUR * 1j},
            "returned an array of complex128 for 'b', not an array of numbers or strings",
        ),
        (
            {"a": FOUR, "b": FOUR.astype(object)},
            "returned an array of object for 'b', not an array of numbers or strings",
        ),
        ({"a": FOUR, "b": FOUR[:3]}, "returned shape (3,) for 'b' of 4 filters"),
        (
            {"a": FOUR, "b": np.array(["", "a", "x" * 1001, "b"])},
            "returned a string of 1,001 characters for 'b'; the limit is 1,000",
        ),
    ],
)
def test_metric(make: Make, result: Any, problem: str) -> None:
    made = make("metric", Metric(result))
    assert contract_error(lambda: made.measure(BANK)) == f"metric 'mine': measure() {problem}"


def test_a_metric_cannot_change_the_bank(make: Make) -> None:
    def scribble(bank: FilterBank) -> dict[str, np.ndarray]:
        bank.weights[:] = 0
        return {"a": FOUR, "b": FOUR}

    with pytest.raises(PluginError, match="read-only"):
        make("metric", Metric(scribble)).measure(BANK)
    assert BANK.weights.min() == 1


@pytest.mark.parametrize("columns", ["a", ("a", 1), ("a b",), ("Mean",), ('"',)])
def test_a_metrics_columns_are_names(make: Make, columns: Any) -> None:
    metric = Metric(None)
    metric.columns = columns
    assert "has columns that are not a tuple of names" in contract_error(lambda: make("metric", metric))


@pytest.mark.parametrize("values", [FOUR, FOUR / 3, FOUR > 1, FOUR.astype(str), np.full(4, "x" * 1000)])
def test_a_metric_may_return_numbers_booleans_and_texts(make: Make, values: np.ndarray) -> None:
    measured = make("metric", Metric({"a": values, "b": FOUR})).measure(BANK)
    assert measured["a"] is values


class OfLayers:
    layer_columns = ("c",)

    def __init__(self, result: Any) -> None:
        self.result = result

    def measure_layer(self, bank: FilterBank) -> Any:
        return self.result(bank) if callable(self.result) else self.result


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not a dict"),
        ({}, "returned columns [], but declared ['c']"),
        ({"c": 1.0, 2: 1.0}, "returned columns ['2', 'c'], but declared ['c']"),
        ({"c": "much"}, "returned a str for 'c', not a number"),
        ({"c": None}, "returned None for 'c', not a number"),
        ({"c": np.ones(1)}, "returned an ndarray for 'c', not a number"),
    ],
)
def test_layer_metric(make: Make, result: Any, problem: str) -> None:
    made = make("metric", OfLayers(result))
    assert contract_error(lambda: made.measure_layer(BANK)) == f"metric 'mine': measure_layer() {problem}"


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.int64(2)])
def test_a_layer_metrics_numbers_are_floats(make: Make, number: Any) -> None:
    made = make("metric", OfLayers({"c": number}))
    [value] = made.measure_layer(BANK).values()
    assert (type(value), value) == (float, 2)


class OfBoth(Metric, OfLayers):
    pass


@pytest.mark.parametrize(
    ("metric", "columns", "layer_columns"),
    [
        (Metric({"a": FOUR, "b": FOUR}), ["a", "b"], []),
        (OfLayers({"c": 0.5}), [], ["c"]),
        (OfBoth(lambda bank: {"c": 0.5} if bank.bias is None else {"a": FOUR, "b": FOUR}), ["a", "b"], ["c"]),
    ],
)
def test_a_metric_measures_filters_or_layers_or_both(
    make: Make, metric: Any, columns: list[str], layer_columns: list[str]
) -> None:
    made = make("metric", metric)
    assert (list(made.columns), list(made.layer_columns)) == (columns, layer_columns)
    assert list(made.measure(BANK)) == columns
    assert list(made.measure_layer(replace(BANK, bias=None))) == layer_columns


def test_what_measures_nothing_is_no_metric(make: Make) -> None:
    assert "is an object, which is not a FilterMetric or LayerMetric" in contract_error(
        lambda: make("metric", object())
    )


def test_a_layer_metric_cannot_change_the_bank_and_is_named(make: Make) -> None:
    def scribble(bank: FilterBank) -> None:
        bank.bias[:] = 1

    with pytest.raises(PluginError, match=r"filterkit-mine 1.5: metric 'mine': measure_layer\(\)") as caught:
        make("metric", OfLayers(scribble)).measure_layer(BANK)
    assert "read-only" in str(caught.value.hint)
    assert BANK.bias.max() == 0


@pytest.mark.parametrize("columns", ["c", ("c", 1), ("c d",)])
def test_a_layer_metrics_columns_are_names(make: Make, columns: Any) -> None:
    metric = OfLayers(None)
    metric.layer_columns = columns
    assert "has columns that are not a tuple of names" in contract_error(lambda: make("metric", metric))
