"""What was extracted from a model, as rows of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.catalog.connections import to_json
from filterkit.catalog.metrics import Measured, check_length, extra_layer_metrics, extra_metrics, plain
from filterkit.catalog.model_input import preprocessing_json
from filterkit.catalog.rows import integral
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.geometry import LayerGeometry
from filterkit.records import FilterBank, Skipped

if TYPE_CHECKING:
    from filterkit.ingest.extract import Extraction

Row = dict[str, Any]

FILTER_FACTS = ("label", "bias", "batchnorm_scale", "batchnorm_shift")
"""What table `filter` holds besides metrics."""


def input_columns(extraction: Extraction) -> Row:
    """What table `model` holds of the model's input."""
    found = extraction.input
    return {
        "input_name": found.name if found else None,
        "input_layout": found.layout if found else None,
        "input_shape": list(found.shape) if found and found.shape is not None else None,
        "preprocessing": preprocessing_json(extraction.preprocessing),
    }


def layer_row(position: int, name: str, bank: FilterBank, geometry: LayerGeometry, measured: Measured) -> Row:
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
        "global_context": None if geometry.global_context is None else int(geometry.global_context),
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
        "norm": bank.norm,
        "dtype": bank.source_dtype,
        "source_layout": bank.source_layout,
        **{column: measured.layer.get(column) for column in LAYER_METRIC_COLUMNS},
        "extra": extra_layer_metrics(measured) or None,
    }


def filter_columns(
    name: str, bank: FilterBank, measured: Measured, labels: Sequence[str] | None
) -> dict[str, Sequence[Any]]:
    """All columns of table `filter` but the layer, of one bank: one value per filter, as SQLite takes it.

    Raises
    ------
    PluginContractError
        Where labels do not fit the bank.
    """
    none = [None] * len(bank.weights)
    columns: dict[str, Sequence[Any]] = dict.fromkeys((*FILTER_FACTS, *METRIC_COLUMNS), none)
    if labels is not None:
        check_length(name, bank, "label", labels)
        columns["label"] = labels
    if bank.bias is not None:
        columns["bias"] = plain(bank.bias)
    if bank.batchnorm is not None:
        columns["batchnorm_scale"] = plain(bank.batchnorm.scale)
        columns["batchnorm_shift"] = plain(bank.batchnorm.shift)
    columns |= {column: values for column, values in measured.filters.items() if column in METRIC_COLUMNS}
    extra = [to_json(each) for each in extra_metrics(measured)]
    return columns | {"position": range(len(none)), "extra": extra or none}


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


def _on(axis: int | None, values: Sequence[float] | None) -> float | None:
    return None if axis is None or values is None else float(values[axis])


def _list(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else [integral(value) for value in values]
