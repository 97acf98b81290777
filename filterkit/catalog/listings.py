"""Listings: their columns as SQL expressions, and the rows of models, layers and skipped nodes.

The names of columns are a contract: they are the keys of the JSON that commands print.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog.addresses import EVERY, find, models_named
from filterkit.catalog.database import Catalog
from filterkit.catalog.responses import RESPONSES, response_metric
from filterkit.catalog.schema import (
    LAYER_METRIC_COLUMNS,
    METRIC_COLUMNS,
    filter_,
    layer,
    model,
    observation,
    skipped,
)
from filterkit.catalog.sqlite.statements import among, json_field
from filterkit.catalog.validation import check_rows
from filterkit.errors import closest

Row = dict[str, Any]
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
"""Not in the listing of layers, which describes their structure."""

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
"""What a condition can name in addition to the columns of listings."""

UNNAMED = frozenset(("id", "model_id", "layer_id", "extra", "preprocessing", "plugins"))
"""Columns without meaning outside their table, and JSON objects, which cannot be compared."""

QUALIFIED: Mapping[str, Column] = {
    f"{table.name}.{column.name}": column
    for table in (filter_, layer, model)
    for column in table.columns
    if column.name not in UNNAMED
}
"""The columns of the tables as ``table.column``, since several tables have columns of the same name."""

MODEL_COLUMNS = tuple(MODELS)
LAYER_COLUMNS = tuple(LAYERS)
SKIPPED_COLUMNS = tuple(SKIPPED)


def models(catalog: Catalog, name: str = EVERY) -> list[Row]:
    """Models of that name, or that match it, in the order of adding; the keys are `MODEL_COLUMNS`.

    Raises
    ------
    NotFoundError
        There is no such model; an empty catalog has all of them.
    """
    query = _select(MODELS).order_by(model.c.id)
    if name != EVERY:
        with catalog.connect() as connection:
            chosen = [row["id"] for row in models_named(connection, name)]
        query = query.where(among(model.c.id, chosen))
    return _listing(catalog, MODELS, query)


def layers(catalog: Catalog, address: Address) -> list[Row]:
    """The layers that `address` names, in the catalog's order; the keys are `LAYER_COLUMNS`.

    Raises
    ------
    NotFoundError
        There is no such model or layer.
    """
    with catalog.connect() as connection:
        chosen = [match.layer["id"] for match in find(connection, address)]
    query = _select(LAYERS).join_from(model, layer).where(among(layer.c.id, chosen))
    return _listing(catalog, LAYERS, query.order_by(layer.c.id))


def skipped_nodes(catalog: Catalog, address: Address) -> list[Row]:
    """The convolutions that were not extracted from the models that `address` names, and the reasons.

    Raises
    ------
    NotFoundError
        There is no such model.
    """
    with catalog.connect() as connection:
        chosen = [row["id"] for row in models_named(connection, address.model, whole=str(address))]
    query = _select(SKIPPED).join_from(model, skipped).where(among(model.c.id, chosen))
    return _listing(catalog, SKIPPED, query.order_by(model.c.id, skipped.c.position))


def unmeasured(catalog: Catalog, address: Address, names: Collection[str]) -> list[str]:
    """The names of the models of `address` that lack a metric whose column is in `names`.

    Raises
    ------
    NotFoundError
        There is no such model.
    """
    with catalog.connect() as connection:
        return lacking(models_named(connection, address.model, MEASURED, str(address)), names)


MEASURED = (model.c.name, model.c.measured)
"""The columns that `lacking` needs."""


def lacking(models: Iterable[Mapping[str, Any]], names: Collection[str]) -> list[str]:
    """As `unmeasured`, for rows of models with the columns ``name`` and ``measured``."""
    measured = {row["name"]: row["measured"] for row in models}
    metrics = {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS}.union(*measured.values())
    wanted = metrics.intersection(names)
    return [name for name, present in measured.items() if not wanted.issubset(present)]


class Maker(TypedDict):
    """A plugin that made rows of a model: its version then, and the specs of the contributions it used."""

    version: str
    made_by: list[str]


def plugins_of_models(catalog: Catalog) -> dict[str, dict[str, Maker]]:
    """For each plugin that made rows, also of observations: the names of the models, and how."""
    made: dict[str, dict[str, Maker]] = {}
    for table in (model, observation):
        columns = {"name": model.c.name, "plugins": table.c.plugins}
        query = sa.select(*columns.values()).select_from(model).order_by(model.c.name)
        if table is observation:
            query = query.join(observation).order_by(observation.c.id)
        with catalog.connect() as connection:
            found = check_rows(connection.execute(query).mappings(), columns)
        for row in found:
            for plugin, stored in row["plugins"].items():
                maker, before = _maker(stored), made.setdefault(plugin, {}).get(row["name"])
                if before is not None:
                    specs = dict.fromkeys((*before["made_by"], *maker["made_by"]))
                    maker = {"version": maker["version"], "made_by": list(specs)}
                made[plugin][row["name"]] = maker
    return made


def makers_of_model(catalog: Catalog, name: str) -> set[str]:
    """The full specs, ``plugin/name``, of the contributions that made a model's rows."""
    with catalog.connect() as connection:
        [row] = models_named(connection, name, (model.c.plugins,))
    return {spec for maker in row["plugins"].values() for spec in _maker(maker)["made_by"]}


def _maker(stored: Maker | str) -> Maker:
    """`stored` as a Maker; in the first revision it is just the version."""
    return {"version": stored, "made_by": []} if isinstance(stored, str) else stored


def _select(columns: Mapping[str, Column]) -> sa.Select[Any]:
    return sa.select(*(column.label(name) for name, column in columns.items()))


def _listing(catalog: Catalog, columns: Mapping[str, Column], query: sa.Select[Any]) -> list[Row]:
    with catalog.connect() as connection:
        found = check_rows(connection.execute(query).mappings(), columns)
        return [{name: integral(value) for name, value in row.items()} for row in found]


def searchable(
    extra_metrics: Sequence[str] = (),
    extra_layer_metrics: Sequence[str] = (),
    extra_responses: Sequence[str] = (),
) -> dict[str, Column]:
    """What a condition on filters, or their sort order, can name: their own columns, then their layer's.

    Metrics of plugins have the lowest precedence; a filter's precedes its layer's of the same name, and that
    its response metric's. Qualified with its table (`QUALIFIED`), every column has a unique name.
    """
    of_responses = {name: response_metric(name) for name in extra_responses}
    of_layers = {name: extra_metric(name, layer) for name in extra_layer_metrics}
    of_filters = {name: extra_metric(name) for name in extra_metrics}
    qualified = {f"layer.{name}": column for name, column in of_layers.items()}
    qualified |= {f"filter.{name}": column for name, column in of_filters.items()}
    qualified |= {f"response.{name}": column for name, column in of_responses.items()}
    of_plugins = {**of_responses, **of_layers, **of_filters}
    plain = {**of_plugins, **RESPONSES, **LAYER_METRICS, **LAYERS, **FILTERS, **UNLISTED}
    return {**plain, **qualified, **QUALIFIED}


def no_column(name: str, columns: Mapping[str, Column]) -> tuple[str, str]:
    """Message and hint for an unknown column `name`; the hint lists those of its table, if it has one."""
    message, (table, point, column) = f"there is no column '{name}'", name.rpartition(".")
    prefix = table + point
    own = [known.removeprefix(prefix) for known in columns if prefix and known.startswith(prefix)]
    return message, closest(column, own, prefix=prefix) if own else closest(name, columns)


def value_types(columns: Mapping[str, Column]) -> dict[str, type | None]:
    """The type of values in each column, for `Rows`; None for lists, and for metrics of plugins."""
    kinds = {sa.Integer: int, sa.Float: float, sa.Numeric: float, sa.String: str}
    return {
        name: next((kinds[kind] for kind in kinds if isinstance(column.type, kind)), None)
        for name, column in columns.items()
    }


def extra_metric(name: str, table: sa.Table = filter_) -> Column:
    """A plugin's metric, a number or a text, read from the column ``extra``."""
    return json_field(table.c.extra, name)


def integral(value: float | None) -> float | None:
    """A whole number as an int, so that it is printed without a decimal point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
