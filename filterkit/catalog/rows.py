"""What the rows of listings are made of: their columns, in order, as SQL expressions.

The names are a contract: they are the keys of the JSON that commands print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.schema import (
    LAYER_METRIC_COLUMNS,
    METRIC_COLUMNS,
    filter_,
    layer,
    model,
    skipped,
)
from filterkit.catalog.sqlite.statements import json_field
from filterkit.errors import closest

Column = sa.ColumnElement[Any]

MODELS: Mapping[str, Column] = {
    "model": model.c.name,
    "source": model.c.source,
    "ref": model.c.ref,
    "layers": model.c.layers,
    "filters": model.c.filters,
    "kernels": model.c.kernels,
    "parameters": model.c.parameters,
    "skipped": model.c.skipped,
    "input_shape": model.c.input_shape,
    "license": model.c.license,
    "sha256": model.c.sha256,
    "added_at": model.c.added_at,
}

LAYERS: Mapping[str, Column] = {
    "address": model.c.name + "/" + layer.c.name,
    "model": model.c.name,
    "layer": layer.c.name,
    "position": layer.c.position,
    "op": layer.c.op,
    "kernel_shape": layer.c.kernel_shape,
    "strides": layer.c.strides,
    "dilations": layer.c.dilations,
    "pads": layer.c.pads,
    "groups": layer.c.groups,
    "in_channels": layer.c.in_channels,
    "out_channels": layer.c.out_channels,
    "filters": layer.c.filters,
    "kernels": layer.c.kernels,
    "parameters": layer.c.parameters,
    "macs": layer.c.macs,
    "receptive_field": layer.c.receptive_field,
    "jump": layer.c.jump,
    "offset": layer.c.offset,
    "output_shape": layer.c.output_shape,
    "activation": layer.c.activation,
    "norm": layer.c.norm,
    "global_context": layer.c.global_context,
    "dtype": layer.c.dtype,
    "node": layer.c.node,
}

LAYER_METRICS: Mapping[str, Column] = {name: layer.c[name] for name in LAYER_METRIC_COLUMNS}
"""Not in the listing of layers, which tells how they are built."""

SKIPPED: Mapping[str, Column] = {
    "model": model.c.name,
    "node": skipped.c.node,
    "op": skipped.c.op,
    "reason": skipped.c.reason,
}

FILTERS: Mapping[str, Column] = {
    "address": model.c.name + "/" + layer.c.name + "/" + sa.cast(filter_.c.position, sa.Text),
    "model": model.c.name,
    "layer": layer.c.name,
    "filter": filter_.c.position,
    "label": filter_.c.label,
    "bias": filter_.c.bias,
    **{name: filter_.c[name] for name in METRIC_COLUMNS},
}

UNLISTED: Mapping[str, Column] = {
    "scope": layer.c.scope,
    "batchnorm": layer.c.batchnorm,
    "batchnorm_scale": filter_.c.batchnorm_scale,
    "batchnorm_shift": filter_.c.batchnorm_shift,
}
"""What a condition can name besides the columns of listings."""

UNNAMED = frozenset(("id", "model_id", "layer_id", "extra", "preprocessing", "plugins"))
"""Columns that say nothing outside their table, and JSON objects, which compare with nothing."""

QUALIFIED: Mapping[str, Column] = {
    f"{table.name}.{column.name}": column
    for table in (filter_, layer, model)
    for column in table.columns
    if column.name not in UNNAMED
}
"""The columns of the tables with their table in front, as several have one of the same name."""


def searchable(
    extra_metrics: Sequence[str] = (), extra_layer_metrics: Sequence[str] = ()
) -> dict[str, Column]:
    """What a condition on filters, or their order, can name: their own columns, then their layer's.

    The metrics of plugins come last of all; a filter's comes before its layer's of the same name. With its
    table in front (`QUALIFIED`), every column has a name of its own.
    """
    of_layers = {name: extra_metric(name, layer) for name in extra_layer_metrics}
    of_filters = {name: extra_metric(name) for name in extra_metrics}
    qualified = {f"layer.{name}": column for name, column in of_layers.items()}
    qualified |= {f"filter.{name}": column for name, column in of_filters.items()}
    plain = {**of_layers, **of_filters, **LAYER_METRICS, **LAYERS, **FILTERS, **UNLISTED}
    return {**plain, **qualified, **QUALIFIED}


def no_column(name: str, columns: Mapping[str, Column]) -> tuple[str, str]:
    """Says that there is no column `name`, and as a hint which ones there are: those of its table, if any."""
    message, (table, point, column) = f"there is no column '{name}'", name.rpartition(".")
    prefix = table + point
    own = [known.removeprefix(prefix) for known in columns if prefix and known.startswith(prefix)]
    return message, closest(column, own, prefix=prefix) if own else closest(name, columns)


def extra_metric(name: str, table: sa.Table = filter_) -> Column:
    """A plugin's metric, a number or a text, taken out of the column ``extra``."""
    return json_field(table.c.extra, name)


def integral(value: float | None) -> float | None:
    """A whole number as an int, so that it is written without a decimal point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
