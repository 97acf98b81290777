"""The filter banks of layers, and the ONNX files of models, in the store."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit.address import name_from_ref
from filterkit.catalog import schema
from filterkit.catalog.addresses import BRIEF_LAYER, BRIEF_MODEL
from filterkit.catalog.database import Catalog
from filterkit.catalog.validation import check_rows
from filterkit.errors import CatalogError

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.bank_files import BankFile
    from filterkit.records import BatchNorm, FilterBank, FloatArray

PLACES = (
    (*BRIEF_MODEL, *(schema.model.c[name] for name in ("sha256", "banks_sha256", "ref", "fold_batchnorm"))),
    (*BRIEF_LAYER, schema.layer.c.kernel_shape, schema.layer.c.input_channels),
)
"""The columns of models and layers that `bank` and `bias` need; reading all of them is slower."""

LISTS = ("kernel_shape", "strides", "dilations", "pads", "output_padding", "input_channels")
PLAIN = (
    *("node", "op", "scope", "in_channels", "out_channels", "groups", "auto_pad", "activation"),
    *("input_tensor", "weight_tensor", "pre_tensor", "post_tensor", "pre_layout", "post_layout"),
    "source_layout",
)
"""Fields of a `FilterBank` that are columns of table `layer`."""


def bank(catalog: Catalog, match: Match) -> FloatArray:
    """All filters of a layer, read-only: shape (out_channels, in_channels / groups, *kernel_shape).

    They are memory-mapped.

    Raises
    ------
    CatalogError
        They are not in the store; the hint has the command that restores them.
    """
    layer = match.layer
    weights = _banks(catalog, match).weights(layer["name"])
    per_filter = layer["kernels"] // layer["filters"]
    if weights.shape != (layer["filters"], per_filter, *layer.get("kernel_shape", weights.shape[2:])):
        raise _damaged(catalog, match)
    return weights


def bias(catalog: Catalog, match: Match) -> FloatArray | None:
    """The biases of a layer, read-only, shape (out_channels,), or None; raises as `bank` does."""
    values = _banks(catalog, match).bias(match.layer["name"])
    if values is not None and values.shape != (match.layer["filters"],):
        raise _damaged(catalog, match)
    return values


def filter_bank(catalog: Catalog, match: Match) -> FilterBank:
    """A layer with its filters, as catalogued; weights and bias are memory-mapped.

    Of a following batch norm the catalog has scale and shift, not its place in the graph.

    Raises
    ------
    CatalogError
        As `bank` does.
    """
    from filterkit.records import FilterBank

    row = match.layer
    fields: dict[str, Any] = {name: tuple(row[name]) for name in LISTS}
    fields |= {name: row[name] for name in PLAIN}
    return FilterBank(
        weights=bank(catalog, match),
        bias=bias(catalog, match),
        source_dtype=row["dtype"],
        batchnorm=batchnorm(catalog, row),
        **fields,
    )


def model_file(catalog: Catalog, model: Mapping[str, Any]) -> Path:
    """The ONNX file of a model (a row of the table); raises as `bank` does."""
    path = catalog.store.model_path(model["sha256"])
    if not path.is_file():
        raise _missing(catalog, model)
    catalog.store.check_model(model["sha256"])
    return path


def batchnorm(catalog: Catalog, row: Mapping[str, Any]) -> BatchNorm | None:
    """Scale and shift of the batch norm after a layer (a row of the table), if there is one."""
    if row["batchnorm"] is None:
        return None
    import numpy as np

    from filterkit.records import BatchNorm

    columns = schema.filter_.c.batchnorm_scale, schema.filter_.c.batchnorm_shift
    query = sa.select(*columns).where(schema.filter_.c.layer_id == row["id"])
    with catalog.connect() as connection:
        columns_by_name = {column.name: column for column in columns}
        rows = check_rows(
            connection.execute(query.order_by(schema.filter_.c.position)).mappings(), columns_by_name
        )
        values = [(row["batchnorm_scale"], row["batchnorm_shift"]) for row in rows]
    scale, shift = np.array(values, np.float32).T  # None becomes NaN
    return BatchNorm(scale, shift, tensor="", layout="", folded=row["batchnorm"] == "folded")


def _banks(catalog: Catalog, match: Match) -> BankFile:
    try:
        return catalog.store.banks(match.model["banks_sha256"])
    except FileNotFoundError:
        raise _missing(catalog, match.model) from None


def add_command(model: Mapping[str, Any]) -> str:
    """The command that restores the files of a model (a row of the table) to the store."""
    command = f"filterkit add {shlex.quote(model['ref'])}"
    if name_from_ref(model["ref"]) != model["name"]:
        command += f" --name {model['name']}"
    return f"{command} --fold-batchnorm" if model["fold_batchnorm"] else command


def removed(name: str) -> CatalogError:
    """The error for a model that was removed after it was found."""
    return CatalogError(f"{name} was removed or replaced by another process", hint="try again")


def _missing(catalog: Catalog, model: Mapping[str, Any]) -> CatalogError:
    with catalog.connect() as connection:
        same = sa.select(schema.model.c.id).where(
            schema.model.c.name == model["name"], schema.model.c.banks_sha256 == model["banks_sha256"]
        )
        if connection.scalar(same) is None:
            return removed(model["name"])
    return CatalogError(
        f"the weights of {model['name']} are not in the store; the catalog has only its rows",
        hint=f"`{add_command(model)}` restores them",
    )


def _damaged(catalog: Catalog, match: Match) -> CatalogError:
    return CatalogError(
        f"the filter banks in {catalog.store.banks_path(match.model['banks_sha256'])} are corrupted: "
        f"they do not match the catalog in {match.layer['name']}",
        hint=f"`{add_command(match.model)} --replace`",
    )
