"""What metrics say of a filter bank, as the tables hold it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from filterkit import budget
from filterkit.catalog.rows import searchable
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.errors import FilterkitError, PluginContractError
from filterkit.plugins.protocols import FilterMetric, LayerMetric

if TYPE_CHECKING:
    from filterkit.records import FilterBank

Metric = FilterMetric | LayerMetric
M = TypeVar("M", bound=Metric)
Fault = Callable[[Any, FilterkitError], None]
"""What is told of a metric that fails, and how; either it raises, or the metric is left out."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What metrics say of one bank, in plain values; None where they do not say.

    Attributes
    ----------
    filters
        From column to one value per filter.
    layer
        From column to value.
    """

    filters: Mapping[str, Sequence[Any]]
    layer: Mapping[str, float | None]


def refuse(metric: Any, error: FilterkitError) -> None:
    """Let no metric fail."""
    raise error


def measure(
    banks: Iterable[tuple[str, FilterBank]], metrics: Iterable[M], fault: Fault = refuse
) -> tuple[list[Measured], list[M]]:
    """Let `metrics` measure the banks of layers, by name, one after the other.

    Parameters
    ----------
    fault
        Told of a metric that fails, or measures another number of filters than there are. Where it does not
        raise, nothing that this metric measured counts, of whatever layer.

    Returns
    -------
    measured
        In the order of `banks`.
    working
        The metrics that measured them.
    """
    working = list(metrics)
    sides = {id(metric): _sides(metric) for metric in working}
    found: list[list[tuple[M, Measured]]] = []
    for name, bank in banks:
        found.append([])
        for metric in tuple(working):
            budget.step("measuring layer '{}' with the metric {}", name, metric)
            try:
                found[-1].append((metric, _measure(name, bank, *sides[id(metric)])))
            except FilterkitError as error:
                fault(metric, error)
                working.remove(metric)
    return [_merged([each for metric, each in of_bank if metric in working]) for of_bank in found], working


def _sides(metric: Metric) -> tuple[FilterMetric | None, LayerMetric | None]:
    """The metric as one of filters and as one of layers, as far as it is: that takes its time to tell."""
    of_filters = metric if isinstance(metric, FilterMetric) else None
    return of_filters, metric if isinstance(metric, LayerMetric) else None


def _measure(
    name: str, bank: FilterBank, of_filters: FilterMetric | None, of_layers: LayerMetric | None
) -> Measured:
    filters: dict[str, Sequence[Any]] = {}
    layer: dict[str, float | None] = {}
    with np.errstate(all="ignore"):  # what is not finite becomes NULL, and some BLAS warn of nothing
        if of_filters is not None:
            filters = {column: plain(values) for column, values in of_filters.measure(bank).items()}
        if of_layers is not None:
            measured = of_layers.measure_layer(bank).items()
            layer = {column: value if math.isfinite(value) else None for column, value in measured}
    for column, values in filters.items():
        check_length(name, bank, column, values)
    return Measured(filters, layer)


def _merged(each: Sequence[Measured]) -> Measured:
    """What several metrics say of one bank."""
    return Measured(
        {column: values for one in each for column, values in one.filters.items()},
        {column: value for one in each for column, value in one.layer.items()},
    )


def check_length(name: str, bank: FilterBank, column: str, values: Sequence[Any]) -> None:
    """Refuse another number of values than filters."""
    if len(values) != len(bank.weights):
        raise PluginContractError(
            f"{len(values)} values of '{column}' for the {len(bank.weights)} filters of {name}"
        )


def with_free_columns(metrics: Iterable[M], fault: Fault = refuse) -> list[M]:
    """The metrics without any that wants a column that is taken: by filterkit, an earlier one, itself.

    Of these `fault` is told, with an error that names both owners.
    """
    own = dict.fromkeys(searchable().keys() - {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS}, "filterkit itself")
    of_filters, of_layers = dict(own), dict(own)
    free = []
    for metric in metrics:
        with_filters = _with(of_filters, columns_of(metric), metric, fault)
        with_layers = with_filters and _with(of_layers, layer_columns_of(metric), metric, fault)
        if with_filters and with_layers:
            of_filters, of_layers = with_filters, with_layers
            free.append(metric)
    return free


def _with(owners: Mapping[str, str], columns: Iterable[str], metric: Metric, fault: Fault) -> dict[str, str]:
    """The owners of columns once `metric` has these; none of all where one is taken."""
    grown = dict(owners)
    for column in columns:
        if column in grown:
            error = PluginContractError(
                f"the column '{column}' comes from {grown[column]} and from {metric}",
                hint="FILTERKIT_PLUGINS_BLOCKED=PLUGIN goes without one of them",
            )
            fault(metric, error)
            return {}
        grown[column] = str(metric)
    return grown


def columns_of(metric: Metric) -> tuple[str, ...]:
    """What `metric` says of filters."""
    return metric.columns if isinstance(metric, FilterMetric) else ()


def layer_columns_of(metric: Metric) -> tuple[str, ...]:
    """What `metric` says of layers."""
    return metric.layer_columns if isinstance(metric, LayerMetric) else ()


def columns_of_all(metrics: Iterable[Metric]) -> list[str]:
    """What `metrics` say of filters, then what they say of layers; each column once."""
    metrics = list(metrics)
    of_filters = [name for metric in metrics for name in columns_of(metric)]
    of_layers = [name for metric in metrics for name in layer_columns_of(metric)]
    return list(dict.fromkeys((*of_filters, *of_layers)))


def unmeasured(metrics: Iterable[Metric], working: Iterable[Metric]) -> list[str]:
    """The columns of `metrics` that those that worked do not fill."""
    filled = columns_of_all(working)
    return [column for column in columns_of_all(metrics) if column not in filled]


def plain(values: Any) -> list[Any]:
    """Plain Python values; None for empty texts, and for numbers that are not finite: no JSON and no SQL."""
    array = np.asarray(values)
    listed: list[Any] = array.tolist()
    if array.dtype.kind == "U":
        return [text or None for text in listed]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [value if math.isfinite(value) else None for value in listed]
    return listed
