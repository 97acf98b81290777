"""Reading a catalog: listings of models and layers, as rows whose keys are a contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypedDict

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import rows
from filterkit.catalog.addresses import find, models_named
from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS, layer, model, skipped
from filterkit.catalog.sqlite.statements import among
from filterkit.catalog.validation import check_rows

Row = dict[str, Any]

MODEL_COLUMNS = tuple(rows.MODELS)
LAYER_COLUMNS = tuple(rows.LAYERS)
SKIPPED_COLUMNS = tuple(rows.SKIPPED)


def models(catalog: Catalog) -> list[Row]:
    """All models, in the order in which they were added; the keys are `MODEL_COLUMNS`."""
    return _listing(catalog, rows.MODELS, _select(rows.MODELS).order_by(model.c.id))


def layers(catalog: Catalog, address: Address) -> list[Row]:
    """The layers that `address` names, in the catalog's order; the keys are `LAYER_COLUMNS`.

    Raises
    ------
    NotFoundError
        Where there is no such model or layer.
    """
    with catalog.connect() as connection:
        chosen = [match.layer["id"] for match in find(connection, address)]
    query = _select(rows.LAYERS).join_from(model, layer).where(among(layer.c.id, chosen))
    return _listing(catalog, rows.LAYERS, query.order_by(layer.c.id))


def skipped_nodes(catalog: Catalog, address: Address) -> list[Row]:
    """The convolutions of the models that `address` names that were not extracted, and why.

    Raises
    ------
    NotFoundError
        Where there is no such model.
    """
    with catalog.connect() as connection:
        chosen = [row["id"] for row in models_named(connection, address.model, whole=str(address))]
    query = _select(rows.SKIPPED).join_from(model, skipped).where(among(model.c.id, chosen))
    return _listing(catalog, rows.SKIPPED, query.order_by(model.c.id, skipped.c.position))


def unmeasured(catalog: Catalog, address: Address, names: Collection[str]) -> list[str]:
    """Those of the models that `address` names which lack a metric whose column is among `names`.

    Raises
    ------
    NotFoundError
        Where there is no such model.
    """
    with catalog.connect() as connection:
        columns = (model.c.name, model.c.measured)
        found = models_named(connection, address.model, columns, str(address))
    metrics = {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS}.union(*(row["measured"] for row in found))
    wanted = metrics.intersection(names)
    return [row["name"] for row in found if not wanted.issubset(row["measured"])]


class Maker(TypedDict):
    """A plugin as it was when it made rows of a model; ``made_by`` are specs of what it made them with."""

    version: str
    made_by: list[str]


def plugins_of_models(catalog: Catalog) -> dict[str, dict[str, Maker]]:
    """From each plugin that made rows to the names of the models it made them for, and how."""
    columns = {"name": model.c.name, "plugins": model.c.plugins}
    with catalog.connect() as connection:
        query = sa.select(*columns.values()).order_by(model.c.name)
        found = check_rows(connection.execute(query).mappings(), columns)
    made: dict[str, dict[str, Maker]] = {}
    for row in found:
        for plugin, maker in row["plugins"].items():
            made.setdefault(plugin, {})[row["name"]] = _maker(maker)
    return made


def makers_of_model(catalog: Catalog, name: str) -> set[str]:
    """Specs of all that made a model's rows, each behind its plugin's name and ``/``."""
    with catalog.connect() as connection:
        [row] = models_named(connection, name, (model.c.plugins,))
    return {spec for maker in row["plugins"].values() for spec in _maker(maker)["made_by"]}


def _maker(stored: Maker | str) -> Maker:
    """The first revision has the version alone."""
    return {"version": stored, "made_by": []} if isinstance(stored, str) else stored


def _select(columns: Mapping[str, rows.Column]) -> sa.Select[Any]:
    return sa.select(*(column.label(name) for name, column in columns.items()))


def _listing(catalog: Catalog, columns: Mapping[str, rows.Column], query: sa.Select[Any]) -> list[Row]:
    with catalog.connect() as connection:
        found = check_rows(connection.execute(query).mappings(), columns)
        return [{name: rows.integral(value) for name, value in row.items()} for row in found]
