"""Metrics of filters and layers: measured with plugins, written to the tables, and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import sqlalchemy as sa

from filterkit import budget
from filterkit.catalog.database import Catalog
from filterkit.catalog.listings import searchable
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS, filter_, layer, model
from filterkit.catalog.sqlite.statements import update_rows
from filterkit.catalog.validation import check_of, check_rows, damaged_value
from filterkit.catalog.weights import removed
from filterkit.errors import FilterkitError, PluginContractError
from filterkit.plugins.protocols import FilterMetric, LayerMetric

if TYPE_CHECKING:
    from filterkit.records import FilterBank

Metric = FilterMetric | LayerMetric
M = TypeVar("M", bound=Metric)
Faults = list[tuple[M, FilterkitError]]
"""Metrics that failed and were left out, each with its error."""

IDENTITY = ("id", "name", "banks_sha256", "added_at")
"""Columns of table `model` that identify a model as it was when it was read."""

TEXTS = {name for name in METRIC_COLUMNS if isinstance(filter_.c[name].type, sa.String)}
BOOLEANS = {name for name in METRIC_COLUMNS if isinstance(filter_.c[name].type, sa.Integer)}
"""SQLite stores a boolean as an integer; no other built-in metric is an integer."""

_BY_NAMES = f"""
SELECT wanted.key, filter.extra, {", ".join(f'filter."{name}"' for name in METRIC_COLUMNS)}
FROM json_each(?) AS wanted
CROSS JOIN model ON model.name = json_extract(wanted.value, '$[0]')
CROSS JOIN layer ON layer.model_id = model.id AND layer.name = json_extract(wanted.value, '$[1]')
CROSS JOIN filter ON filter.layer_id = layer.id AND filter.position = json_extract(wanted.value, '$[2]')
"""
"""SQLite keeps the order of a CROSS JOIN: each requested filter is looked up by its keys."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What metrics say of one bank, as plain values; None where a metric is not defined.

    Attributes
    ----------
    filters
        From column to one value per filter.
    layer
        From column to value.
    """

    filters: Mapping[str, Sequence[Any]]
    layer: Mapping[str, float | None]


def measure(
    banks: Collection[tuple[str, FilterBank]],
    metrics: Iterable[M],
    *,
    strict: bool = True,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Measured], list[M], Faults[M]]:
    """Measure banks with metrics.

    Parameters
    ----------
    banks
        Names of layers and their banks.
    strict
        Raise the error of the first metric that fails, or that returns another number of values than there
        are filters. Otherwise such a metric is left out, together with what it measured of other layers.
    report
        Called before each bank with the bytes measured so far, and the total.

    Returns
    -------
    measured
        In the order of `banks`.
    working
        The metrics that did not fail.
    faults
        Those that failed, and how; empty if `strict`.
    """
    working = list(metrics)
    faults: Faults[M] = []
    kinds = {id(metric): _kinds(metric) for metric in working}
    found: list[list[tuple[M, Measured]]] = []
    done, total = 0, sum(bank.weights.nbytes for _, bank in banks)
    for name, bank in banks:
        report(done, total)
        done += bank.weights.nbytes
        found.append([])
        for metric in tuple(working):
            budget.step("measuring layer '{}' with the metric {}", name, metric)
            try:
                found[-1].append((metric, _measure(name, bank, *kinds[id(metric)])))
            except FilterkitError as error:
                if strict:
                    raise
                faults.append((metric, error))
                working.remove(metric)
    measured = [_merged([each for metric, each in of_bank if metric in working]) for of_bank in found]
    return measured, working, faults


def _kinds(metric: Metric) -> tuple[FilterMetric | None, LayerMetric | None]:
    """`metric` as a metric of filters and as one of layers; checking a protocol is slow."""
    of_filters = metric if isinstance(metric, FilterMetric) else None
    return of_filters, metric if isinstance(metric, LayerMetric) else None


def _measure(
    name: str, bank: FilterBank, of_filters: FilterMetric | None, of_layers: LayerMetric | None
) -> Measured:
    filters: dict[str, Sequence[Any]] = {}
    layer: dict[str, float | None] = {}
    with np.errstate(all="ignore"):  # values that are not finite become NULL; some BLAS warn without cause
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
    """Raise PluginContractError unless there is one value per filter."""
    if len(values) != len(bank.weights):
        raise PluginContractError(
            f"{len(values)} values of '{column}' for the {len(bank.weights)} filters of {name}"
        )


def plain(values: Any) -> list[Any]:
    """Plain Python values; None for empty texts and for numbers that are not finite, as in JSON and SQL."""
    array = np.asarray(values)
    listed: list[Any] = array.tolist()
    if array.dtype.kind == "U":
        return [text or None for text in listed]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [value if math.isfinite(value) else None for value in listed]
    return listed


def with_free_columns(metrics: Iterable[M], *, strict: bool = True) -> tuple[list[M], Faults[M]]:
    """Separate metrics from those with a column that filterkit or another metric has, or that is repeated.

    The error of such a metric names both owners; it is raised if `strict`.
    """
    own = dict.fromkeys(searchable().keys() - {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS}, "filterkit itself")
    of_filters, of_layers = dict(own), dict(own)
    free: list[M] = []
    faults: Faults[M] = []
    for metric in metrics:
        try:
            with_filters = _with(of_filters, columns_of(metric), metric)
            of_layers = _with(of_layers, layer_columns_of(metric), metric)
        except PluginContractError as error:
            if strict:
                raise
            faults.append((metric, error))
        else:
            of_filters = with_filters
            free.append(metric)
    return free, faults


def _with(owners: Mapping[str, str], columns: Iterable[str], metric: Metric) -> dict[str, str]:
    """The owners of columns, `metric` among them."""
    extended = dict(owners)
    for column in columns:
        if column in extended:
            raise PluginContractError(
                f"the column '{column}' comes from {extended[column]} and from {metric}",
                hint="disable one of them with FILTERKIT_PLUGINS_BLOCKED=PLUGIN",
            )
        extended[column] = str(metric)
    return extended


def columns_of(metric: Metric) -> tuple[str, ...]:
    """Columns of filters that `metric` fills."""
    return metric.columns if isinstance(metric, FilterMetric) else ()


def layer_columns_of(metric: Metric) -> tuple[str, ...]:
    """Columns of layers that `metric` fills."""
    return metric.layer_columns if isinstance(metric, LayerMetric) else ()


def columns_of_all(metrics: Iterable[Metric]) -> list[str]:
    """Columns of filters that `metrics` fill, then those of layers; each once."""
    metrics = list(metrics)
    of_filters = [name for metric in metrics for name in columns_of(metric)]
    of_layers = [name for metric in metrics for name in layer_columns_of(metric)]
    return list(dict.fromkeys((*of_filters, *of_layers)))


def unmeasured(metrics: Iterable[Metric], working: Iterable[Metric]) -> list[str]:
    """Columns of `metrics` that those which worked do not fill."""
    filled = columns_of_all(working)
    return [column for column in columns_of_all(metrics) if column not in filled]


def metric_columns(metrics: Iterable[Metric]) -> dict[str, list[str]]:
    """What a row of table `model` says of the metrics that its filters and layers were measured with."""
    metrics = list(metrics)
    of_filters = [name for metric in metrics for name in columns_of(metric)]
    of_layers = [name for metric in metrics for name in layer_columns_of(metric)]
    return {
        "measured": columns_of_all(metrics),
        "extra_metrics": [name for name in of_filters if name not in METRIC_COLUMNS],
        "extra_layer_metrics": [name for name in of_layers if name not in LAYER_METRIC_COLUMNS],
    }


def extra_metrics(measured: Measured) -> list[dict[str, Any]]:
    """For each filter the metrics without a column of their own, by name; empty if there are none."""
    extra = {name: values for name, values in measured.filters.items() if name not in METRIC_COLUMNS}
    return [dict(zip(extra, values, strict=True)) for values in zip(*extra.values(), strict=True)]


def extra_layer_metrics(measured: Measured) -> dict[str, float | None]:
    """Metrics of the layer without a column of their own, by name."""
    return {name: value for name, value in measured.layer.items() if name not in LAYER_METRIC_COLUMNS}


def put_measured(
    catalog: Catalog,
    of_model: Mapping[str, Any],
    measured: Mapping[int, Measured],
    columns: Mapping[str, Sequence[str]],
    plugins: Mapping[str, Any],
) -> None:
    """Write what was measured into the rows of a model, all or nothing; their other values stay.

    Parameters
    ----------
    of_model
        Its row of table `model`, as read before its filters were.
    measured
        By the layers' ids.
    columns
        The `metric_columns` to add to that row.
    plugins
        The plugins that measured, in the form that the row has them.

    Raises
    ------
    CatalogError
        The model was removed or replaced since.
    """
    with catalog.begin() as connection:
        same = sa.and_(*(model.c[name] == of_model[name] for name in IDENTITY))
        rows = check_rows(connection.execute(sa.select(model).where(same)).mappings(), dict(model.c.items()))
        if not rows:
            raise removed(of_model["name"])
        [row] = rows
        for layer_id, found in measured.items():
            values = {name: [value] for name, value in found.layer.items() if name in LAYER_METRIC_COLUMNS}
            extra = extra_layer_metrics(found)
            update_rows(
                connection, layer, values, {"id": [layer_id]}, merged={"extra": [extra]} if extra else None
            )
            values = {name: list(each) for name, each in found.filters.items() if name in METRIC_COLUMNS}
            positions = list(range(max(map(len, found.filters.values()), default=0)))
            key = {"layer_id": [layer_id] * len(positions), "position": positions}
            extras = extra_metrics(found)
            update_rows(connection, filter_, values, key, merged={"extra": extras} if extras else None)
        lists = {name: list(dict.fromkeys((*row[name], *new))) for name, new in columns.items()}
        made = {**row["plugins"], **_with_made_before(row["plugins"], plugins)}
        connection.execute(sa.update(model).where(same).values(**lists, plugins=made))


def _with_made_before(before: Mapping[str, Any], plugins: Mapping[str, Any]) -> dict[str, Any]:
    """`plugins`, with what they had made before added to what they made now."""
    return {
        name: {**about, "made_by": list(dict.fromkeys((*_made_by(before.get(name)), *about["made_by"])))}
        for name, about in plugins.items()
    }


def _made_by(about: Any) -> list[str]:
    return list(about["made_by"]) if isinstance(about, Mapping) else []


class FilterMetrics(NamedTuple):
    """From a column to one value per filter; None where the catalog has no value or no such filter.

    Built-in columns come first, in the order of the table, then those of plugins by name. Booleans are in
    both: as 1 and 0, and as yes and no.
    """

    numbers: dict[str, list[float | None]]
    texts: dict[str, list[str | None]]


def metrics_of(catalog: Catalog, filters: Sequence[tuple[str, str, int]]) -> FilterMetrics:
    """Read the metrics of filters of any models.

    Parameters
    ----------
    filters
        Model, layer and number of each.
    """
    numbers: dict[str, list[float | None]] = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in _columns(catalog, filters).items():
        kinds = {type(value) for value in values} - {type(None)}
        is_text = name in TEXTS or str in kinds
        if not is_text:
            numbers[name] = [None if value is None else float(value) for value in values]
        if is_text or name in BOOLEANS or kinds == {bool}:
            texts[name] = [_word(value) for value in values]
    return FilterMetrics(numbers, texts)


def _columns(catalog: Catalog, filters: Sequence[tuple[str, str, int]]) -> dict[str, list[Any]]:
    """One value per filter in each column: a bool, a number, a text, or None."""
    columns: dict[str, list[Any]] = {name: [None] * len(filters) for name in METRIC_COLUMNS}
    with catalog.read() as reading, closing(reading.execute(_BY_NAMES, [json.dumps(filters)])) as found:
        for place, extra, *own in found:
            of_plugins = json.loads(extra) if extra else {}
            if not check_of(filter_.c.extra)(of_plugins):
                raise damaged_value("extra", extra)
            for name, value in zip(METRIC_COLUMNS, own, strict=True):
                if not check_of(filter_.c[name])(value):
                    raise damaged_value(name, value)
            for name, value in [*zip(METRIC_COLUMNS, own, strict=True), *of_plugins.items()]:
                if value is not None:
                    column = columns.setdefault(name, [None] * len(filters))
                    column[place] = bool(value) if name in BOOLEANS else value
    others = sorted(columns.keys() - {*METRIC_COLUMNS})
    return {name: columns[name] for name in (*METRIC_COLUMNS, *others)}


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
