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
    return _banks(catalog, match).weights(match.layer["name"])


def bias(catalog: Catalog, match: Match) -> FloatArray | None:
    """The biases of a layer, read-only, shape (out_channels,), or None; raises as `bank` does."""
    return _banks(catalog, match).bias(match.layer["name"])


def model_file(catalog: Catalog, model: Mapping[str, Any]) -> Path:
    """The ONNX file of a model (a row of the table); raises as `bank` does."""
    path = catalog.store.model_path(model["sha256"])
    if not path.is_file():
        raise _missing(model)
    return path


def _banks(catalog: Catalog, match: Match) -> BankFile:
    if not catalog.store.banks_path(match.model["banks_sha256"]).is_file():
        raise _missing(match.model)
    return catalog.store.banks(match.model["banks_sha256"])


def missing_weights(catalog: Catalog) -> list[tuple[str, str]]:
    """Of every model whose files the store does not hold: its name, and the command that brings them."""
    with catalog.connect() as connection:
        rows = connection.execute(sa.select(schema.model).order_by(schema.model.c.name)).mappings().all()
    return [
        (row["name"], _add_command(dict(row)))
        for row in rows
        if not catalog.store.holds(row["sha256"], row["banks_sha256"])
    ]


def _missing(model: Mapping[str, Any]) -> CatalogError:
    return CatalogError(
        f"the weights of {model['name']} are not in the store, only its rows are here",
        hint=f"`{_add_command(model)}` brings them",
    )


def _add_command(model: Mapping[str, Any]) -> str:
    command = f"filterkit add {shlex.quote(model['ref'])}"
    return command if name_from_ref(model["ref"]) == model["name"] else f"{command} --name {model['name']}"
