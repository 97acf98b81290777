"""What was extracted from a model, as rows of the tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.catalog.rows import integral, searchable
from filterkit.catalog.schema import METRIC_COLUMNS
from filterkit.errors import PluginContractError
from filterkit.geometry import LayerGeometry
from filterkit.records import FilterBank, Preprocessing, Skipped

if TYPE_CHECKING:
    from filterkit.plugins.protocols import FilterMetric

Row = dict[str, Any]


def layer_row(position: int, name: str, bank: FilterBank, geometry: LayerGeometry) -> Row:
    """The row of table `layer` for one bank."""
    filters, kernels = bank.weights.shape[:2]
    fields = geometry.receptive_field
    widest = fields.index(max(fields)) if fields else None
    return {
        "position": position,
        "name": name,
        "node": bank.node,
        "scope": bank.scope,
        "op": bank.op,
        "spatial_rank": len(bank.kernel_shape),
        "in_channels": bank.in_channels,
        "out_channels": bank.out_channels,
        "groups": bank.groups,
        "kernel_shape": list(bank.kernel_shape),
        "strides": list(bank.strides),
        "dilations": list(bank.dilations),
        "pads": list(bank.pads),
        "output_padding": list(bank.output_padding),
        "auto_pad": bank.auto_pad,
        "filters": filters,
        "kernels": filters * kernels,
        "parameters": bank.weights.size + (0 if bank.bias is None else bank.bias.size),
        "has_bias": int(bank.bias is not None),
        "macs": geometry.macs,
        "receptive_field": _on(widest, fields),
        "jump": _on(widest, geometry.jump),
        "offset": _on(widest, geometry.offset),
        "receptive_fields": _list(fields),
        "jumps": _list(geometry.jump),
        "offsets": _list(geometry.offset),
        "output_shape": _list(geometry.output_shape),
        "input_channels": list(geometry.input_channels),
        "input_tensor": bank.input_tensor,
        "weight_tensor": bank.weight_tensor,
        "pre_tensor": bank.pre_tensor,
        "post_tensor": bank.post_tensor,
        "pre_layout": bank.pre_layout,
        "post_layout": bank.post_layout,
        "activation": bank.activation,
        "batchnorm": bank.batchnorm and ("folded" if bank.batchnorm.folded else "apart"),
        "dtype": bank.source_dtype,
        "source_layout": bank.source_layout,
    }


def filter_rows(
    name: str, bank: FilterBank, metrics: Sequence[FilterMetric], labels: Sequence[str] | None
) -> list[Row]:
    """The rows of table `filter` for one bank: label, bias and metrics of every filter.

    Raises
    ------
    PluginContractError
        Where labels or metrics do not fit the bank, or a metric's column is taken; names both owners.
    """
    count = len(bank.weights)
    columns: dict[str, list[Any]] = {
        "bias": [None] * count if bank.bias is None else _values(bank.bias),
        "label": [None] * count if labels is None else list(labels),
        "batchnorm_scale": [None] * count if bank.batchnorm is None else _values(bank.batchnorm.scale),
        "batchnorm_shift": [None] * count if bank.batchnorm is None else _values(bank.batchnorm.shift),
    }
    owners = dict.fromkeys(searchable().keys() - set(METRIC_COLUMNS), "filterkit itself")
    for metric in metrics:
        for column, measured in metric.measure(bank).items():
            if column in owners:
                raise PluginContractError(
                    f"the column '{column}' comes from {owners[column]} and from {metric}",
                    hint="FILTERKIT_PLUGINS_BLOCKED=PLUGIN goes without one of them",
                )
            owners[column], columns[column] = str(metric), _values(measured)
    for column, values in columns.items():
        if len(values) != count:
            raise PluginContractError(f"{len(values)} values of '{column}' for the {count} filters of {name}")
    own = ("label", "bias", "batchnorm_scale", "batchnorm_shift", *METRIC_COLUMNS)
    extra = [column for column in columns if column not in own]
    return [
        {
            "position": position,
            **{column: columns[column][position] if column in columns else None for column in own},
            "extra": {column: columns[column][position] for column in extra} or None,
        }
        for position in range(count)
    ]


def not_finite(bank: FilterBank) -> int:
    """How many filters hold a weight that is NaN or infinite."""
    flat = bank.weights.reshape(len(bank.weights), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(flat.sum()):  # of finite weights alone, and several times quicker than to ask each
            return 0
    return int((~np.isfinite(flat).all(axis=1)).sum())


def skipped_row(position: int, skipped: Skipped) -> Row:
    """The row of table `skipped` for one node."""
    return {"position": position, "node": skipped.node, "op": skipped.op, "reason": skipped.reason}


def preprocessing_json(preprocessing: Preprocessing | None) -> Row | None:
    """How `Preprocessing` stands in the catalog: its fields by name."""
    return None if preprocessing is None else dataclasses.asdict(preprocessing)


def preprocessing_from(stored: Mapping[str, Any] | None) -> Preprocessing | None:
    """The `Preprocessing` that `preprocessing_json` stored."""
    if stored is None:
        return None
    tuples = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return Preprocessing(**{**stored, **tuples})


def _values(measured: Any) -> list[Any]:
    """Plain Python values; None for what is not finite, which SQL and JSON cannot hold."""
    measured = np.asarray(measured)
    values: list[Any] = measured.tolist()
    if measured.dtype.kind == "f" and not np.isfinite(measured).all():
        return [value if math.isfinite(value) else None for value in values]
    return values


def _on(axis: int | None, values: Sequence[float] | None) -> float | None:
    return None if axis is None or values is None else float(values[axis])


def _list(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else [integral(value) for value in values]
