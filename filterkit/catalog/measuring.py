"""What metrics say of a filter bank, as the tables hold it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.catalog.rows import searchable
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.errors import PluginContractError
from filterkit.plugins.protocols import FilterMetric, LayerMetric

if TYPE_CHECKING:
    from filterkit.records import FilterBank

Metric = FilterMetric | LayerMetric


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


def measure(name: str, bank: FilterBank, metrics: Iterable[Metric]) -> Measured:
    """Let `metrics` measure the bank of the layer `name`.

    Raises
    ------
    PluginContractError
        Where one measures another number of filters than there are.
    """
    filters: dict[str, Sequence[Any]] = {}
    layer: dict[str, float | None] = {}
    with np.errstate(all="ignore"):  # what is not finite becomes NULL, and some BLAS warn of nothing
        for metric in metrics:
            if isinstance(metric, FilterMetric):
                filters |= {column: plain(values) for column, values in metric.measure(bank).items()}
            if isinstance(metric, LayerMetric):
                found = metric.measure_layer(bank).items()
                layer |= {column: value if math.isfinite(value) else None for column, value in found}
    for column, values in filters.items():
        check_length(name, bank, column, values)
    return Measured(filters, layer)


def check_length(name: str, bank: FilterBank, column: str, values: Sequence[Any]) -> None:
    """Refuse another number of values than filters."""
    if len(values) != len(bank.weights):
        raise PluginContractError(
            f"{len(values)} values of '{column}' for the {len(bank.weights)} filters of {name}"
        )


def check_columns(metrics: Iterable[Metric]) -> None:
    """Refuse metrics that want a column that is taken.

    Raises
    ------
    PluginContractError
        Names both owners.
    """
    own = dict.fromkeys(searchable().keys() - {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS}, "filterkit itself")
    of_filters, of_layers = dict(own), dict(own)
    for metric in metrics:
        wanted = [(of_filters, column) for column in columns_of(metric)]
        wanted += [(of_layers, column) for column in layer_columns_of(metric)]
        for owners, column in wanted:
            if column in owners:
                raise PluginContractError(
                    f"the column '{column}' comes from {owners[column]} and from {metric}",
                    hint="FILTERKIT_PLUGINS_BLOCKED=PLUGIN goes without one of them",
                )
            owners[column] = str(metric)


def columns_of(metric: Metric) -> tuple[str, ...]:
    """What `metric` says of filters."""
    return metric.columns if isinstance(metric, FilterMetric) else ()


def layer_columns_of(metric: Metric) -> tuple[str, ...]:
    """What `metric` says of layers."""
    return metric.layer_columns if isinstance(metric, LayerMetric) else ()


def plain(values: Any) -> list[Any]:
    """Plain Python values: 0 and 1 for booleans; None for empty texts, and for what is not finite, which SQL
    and JSON cannot hold."""
    array = np.asarray(values)
    if array.dtype.kind == "b":
        array = array.astype(int)
    listed: list[Any] = array.tolist()
    if array.dtype.kind == "U":
        return [text or None for text in listed]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [value if math.isfinite(value) else None for value in listed]
    return listed
