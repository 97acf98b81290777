"""What was extracted from a model, as rows of the tables."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit import budget
from filterkit.catalog.edges import edge_rows
from filterkit.catalog.listings import integral
from filterkit.catalog.metrics import Measured, check_length, extra_layer_metrics, extra_metrics, plain
from filterkit.catalog.model_input import preprocessing_json
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.catalog.sqlite.statements import to_json
from filterkit.errors import ModelError
from filterkit.geometry import LayerGeometry, product
from filterkit.graph.layers.layer_edges import layer_edges
from filterkit.graph.layers.weight_origin import origin
from filterkit.graph.loading.checkpoint import PRODUCER
from filterkit.graph.view.view import GraphView
from filterkit.records import FilterBank, Skipped

if TYPE_CHECKING:
    from filterkit.ingest.extract import Extraction
    from filterkit.records import FloatArray

Row = dict[str, Any]
Columns = dict[str, Sequence[Any]]
Origin = tuple[str, str]
"""Scope and name of a tensor of the file."""

FILTER_FACTS = ("label", "bias", "batchnorm_scale", "batchnorm_shift")
"""Columns of table `filter` besides metrics."""


def model_columns(graph: GraphView, extraction: Extraction, layers: Sequence[Row]) -> Row:
    """What table `model` says of a graph and its input, of numbers of rows and of parameters."""
    found = extraction.input
    return {
        "producer": graph.producer_name,
        "opset": graph.opset,
        "layers": len(layers),
        "filters": sum(layer["filters"] for layer in layers),
        "kernels": sum(layer["kernels"] for layer in layers),
        "parameters": count_parameters(graph, extraction.banks.values()),
        "skipped": len(extraction.skipped),
        "input_name": found.name if found else None,
        "input_layout": found.layout if found else None,
        "input_shape": list(found.shape) if found and found.shape is not None else None,
        "preprocessing": preprocessing_json(extraction.preprocessing),
    }


def layers_and_filters(
    extraction: Extraction, labels: Mapping[str, Sequence[str]], measured: Sequence[Measured]
) -> tuple[list[Row], list[Columns]]:
    """One row of table `layer`, and the columns of its filters, for each bank.

    Parameters
    ----------
    labels
        Of filters, by layer.
    measured
        In the order of the banks.

    Raises
    ------
    PluginContractError
        There is another number of labels than filters.
    """
    layers, filters = [], []
    for position, (name, bank) in enumerate(extraction.banks.items()):
        budget.step("computing the rows of layer '{}'", name)
        of_bank, geometry = measured[position], extraction.geometries[position]
        layers.append(layer_row(position, name, bank, geometry, of_bank))
        filters.append(filter_columns(name, bank, of_bank, labels.get(name)))
    return layers, filters


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


def filter_columns(name: str, bank: FilterBank, measured: Measured, labels: Sequence[str] | None) -> Columns:
    """The columns of table `filter` for one bank, without the layer's id, as SQLite takes their values.

    Raises
    ------
    PluginContractError
        There is another number of labels than filters.
    """
    none = [None] * len(bank.weights)
    columns: Columns = dict.fromkeys((*FILTER_FACTS, *METRIC_COLUMNS), none)
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
    """Number of filters with a weight that is NaN or infinite."""
    flat = bank.weights.reshape(len(bank.weights), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(flat.sum()):  # never if a weight is not; several times faster than testing each
            return 0
    return int((~np.isfinite(flat).all(axis=1)).sum())


def edges(graph: GraphView, layers: Sequence[Row]) -> list[Row] | None:
    """The rows of table `edge`; None for weights without a network, or if there are too many."""
    if graph.producer_name == PRODUCER:
        return None
    budget.step("following the layers")
    try:
        return edge_rows(layer_edges(graph, layers))
    except budget.Exceeded:
        raise
    except ModelError:  # `Workbench.edges` says why
        return None


def skipped_rows(skipped: Iterable[Skipped]) -> list[Row]:
    """The rows of table `skipped`."""
    return [
        {"position": position, "node": each.node, "op": each.op, "reason": each.reason}
        for position, each in enumerate(skipped)
    ]


def _on(axis: int | None, values: Sequence[float] | None) -> float | None:
    return None if axis is None or values is None else float(values[axis])


def _list(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else [integral(value) for value in values]


def count_parameters(graph: GraphView, banks: Iterable[FilterBank]) -> int:
    """Number of weights and biases of all banks; those that several nodes share count once.

    Parameters are shared if they come from the same tensor of the file, whatever is computed from it. Two
    parts of a tensor are not shared, nor are two equal tensors. A bias that several layers share counts once,
    whether or not they share their weights.
    """
    views = {view.scope: view for view in graph.with_bodies()}
    readers: dict[Origin, list[FilterBank]] = defaultdict(list)
    biases: dict[object, int] = {}
    for bank in banks:
        budget.step("counting the parameters of layer '{}'", bank.node)
        view = views.get(bank.scope, graph)
        stored = origin(view, bank.weight_tensor)
        readers[stored].append(bank)
        if bank.bias is not None:
            # A bias that cannot be traced back counts as shared only between layers of the same weights.
            source = _bias_origin(view, bank) or ("weights", *stored)
            biases[source, _digest(bank.bias)] = bank.bias.size
    weights = sum(_count(views, graph, stored, banks) for stored, banks in readers.items())
    return weights + sum(biases.values())


def _count(views: Mapping[str, GraphView], graph: GraphView, stored: Origin, banks: list[FilterBank]) -> int:
    """Number of weights of banks that come from one tensor."""
    if len(banks) == 1:
        return banks[0].weights.size
    by_name = {(bank.scope, bank.weight_tensor): bank.weights for bank in banks}
    whole = _size(views.get(stored[0], graph), stored[1])
    parts: dict[object, int] = {}
    for weights in by_name.values():
        # All of a tensor, in whatever order, is the same weights; parts of it are distinguished by value.
        key = "whole" if whole is not None and weights.size >= whole else _digest(weights)
        parts[key] = max(parts.get(key, 0), weights.size)
    return sum(parts.values())


def _size(view: GraphView, tensor: str) -> int | None:
    shape = view.shape(tensor)
    sizes = [size for size in shape or () if isinstance(size, int)]
    return product(sizes) if shape is not None and len(sizes) == len(shape) else None


def _bias_origin(view: GraphView, bank: FilterBank) -> Origin | None:
    """The tensor of a bias, among the inputs of the node that adds it; None if that is not clear."""
    node = view.producer(bank.pre_tensor)
    names = [] if node is None else [name for name in node.input if name and name != bank.weight_tensor]
    size = 0 if bank.bias is None else bank.bias.size
    fitting = [name for name in names if _is_constant(view, name) and _size(view, name) == size]
    return origin(view, fitting[-1]) if fitting else None


def _is_constant(view: GraphView, tensor: str) -> bool:
    home = view.home(tensor)
    return home is not None and home.is_constant(tensor)


def _digest(values: FloatArray) -> tuple[tuple[int, ...], bytes]:
    content = values.data if values.flags.c_contiguous else values.tobytes()
    return values.shape, hashlib.blake2b(content, digest_size=16).digest()
