"""From what an address names to numbers: banks and ONNX files of models in the catalog."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit.catalog import schema
from filterkit.catalog.database import Catalog
from filterkit.catalog.names import name_from_ref
from filterkit.errors import CatalogError

if TYPE_CHECKING:
    from filterkit.catalog.banks import BankFile
    from filterkit.catalog.matches import Match
    from filterkit.records import FloatArray


def bank(catalog: Catalog, match: Match) -> FloatArray:
    """All filters of a layer, read-only, mapped: shape (out_channels, in_channels / groups, *kernel_shape).

    Raises
    ------
    CatalogError
        Where the store does not hold them; the hint says what brings them.
    """
    layer = match.layer
    weights = _banks(catalog, match).weights(layer["name"])
    if weights.shape[:2] != (layer["filters"], layer["kernels"] // layer["filters"]):
        raise _damaged(catalog, match)
    return weights


def bias(catalog: Catalog, match: Match) -> FloatArray | None:
    """The biases of a layer, read-only, shape (out_channels,), or None; raises as `bank` does."""
    values = _banks(catalog, match).bias(match.layer["name"])
    if values is not None and values.shape != (match.layer["filters"],):
        raise _damaged(catalog, match)
    return values


def model_file(catalog: Catalog, model: Mapping[str, Any]) -> Path:
    """The ONNX file of a model (a row of the table); raises as `bank` does."""
    path = catalog.store.model_path(model["sha256"])
    if not path.is_file():
        raise _missing(catalog, model)
    return path


def _banks(catalog: Catalog, match: Match) -> BankFile:
    try:
        return catalog.store.banks(match.model["banks_sha256"])
    except FileNotFoundError:
        raise _missing(catalog, match.model) from None


def add_command(model: Mapping[str, Any]) -> str:
    """What brings the files of a model (a row of the table) back to the store."""
    command = f"filterkit add {shlex.quote(model['ref'])}"
    if name_from_ref(model["ref"]) != model["name"]:
        command += f" --name {model['name']}"
    return f"{command} --fold-batchnorm" if model["fold_batchnorm"] else command


def _missing(catalog: Catalog, model: Mapping[str, Any]) -> CatalogError:
    with catalog.connect() as connection:
        same = sa.select(schema.model.c.id).where(
            schema.model.c.name == model["name"], schema.model.c.banks_sha256 == model["banks_sha256"]
        )
        if connection.scalar(same) is None:
            return CatalogError(
                f"{model['name']} was removed or replaced by another process just now", hint="try again"
            )
    return CatalogError(
        f"the weights of {model['name']} are not in the store, only its rows are here",
        hint=f"`{add_command(model)}` brings them",
    )


def _damaged(catalog: Catalog, match: Match) -> CatalogError:
    return CatalogError(
        f"the filter banks in {catalog.store.banks_path(match.model['banks_sha256'])} are damaged: "
        f"{match.layer['name']} is not in them as it was",
        hint=f"`{add_command(match.model)} --replace`",
    )
