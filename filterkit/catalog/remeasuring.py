"""Writing what metrics say of a model that is in the catalog already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from filterkit.catalog.connections import to_json
from filterkit.catalog.database import Catalog
from filterkit.catalog.describe import extra_layer_metrics, extra_metrics
from filterkit.catalog.metrics import Measured
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS, filter_, layer, model
from filterkit.catalog.values import check_rows
from filterkit.catalog.weights import removed

IDENTITY = ("id", "name", "banks_sha256", "added_at")
"""What tells that a row of table `model` is the one that it was."""


def put_measured(
    catalog: Catalog,
    of_model: Mapping[str, Any],
    measured: Mapping[int, Measured],
    columns: Mapping[str, Sequence[str]],
    plugins: Mapping[str, Any],
) -> None:
    """Put what was measured of a model into its rows, all or nothing; what else they hold stays.

    Parameters
    ----------
    of_model
        The row of table `model` that the filters were found with.
    measured
        By the layers' ids.
    columns
        What the lists in that row that tell of metrics grow by.
    plugins
        The plugins that measured, as that row holds them.

    Raises
    ------
    CatalogError
        Where the model was removed or replaced since.
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
            _update(connection, layer, values, [extra] if extra else [], {"id": [layer_id]})
            values = {name: list(each) for name, each in found.filters.items() if name in METRIC_COLUMNS}
            positions = list(range(max(map(len, found.filters.values()), default=0)))
            key = {"layer_id": [layer_id] * len(positions), "position": positions}
            _update(connection, filter_, values, extra_metrics(found), key)
        lists = {name: list(dict.fromkeys((*row[name], *new))) for name, new in columns.items()}
        made = {**row["plugins"], **_merged(row["plugins"], plugins)}
        connection.execute(sa.update(model).where(same).values(**lists, plugins=made))


def _update(
    connection: sa.Connection,
    table: sa.Table,
    values: Mapping[str, list[Any]],
    extra: Sequence[Mapping[str, Any]],
    key: Mapping[str, list[Any]],
) -> None:
    """Update the rows of `key`, one value of each list per row; `extra` is added to what is there."""
    changes = [f'"{name}" = ?' for name in values]
    lists = list(values.values())
    if extra:
        changes.append("extra = json_patch(coalesce(extra, '{}'), ?)")
        lists.append([to_json(each) for each in extra])
    if changes:
        where = " AND ".join(f'"{name}" = ?' for name in key)
        statement = f'UPDATE "{table.name}" SET {", ".join(changes)} WHERE {where}'
        connection.exec_driver_sql(statement, list(zip(*lists, *key.values(), strict=True)))


def _merged(before: Mapping[str, Any], plugins: Mapping[str, Any]) -> dict[str, Any]:
    """`plugins`, which also made what they had made before."""
    return {
        name: {**about, "made_by": list(dict.fromkeys((*_made_by(before.get(name)), *about["made_by"])))}
        for name, about in plugins.items()
    }


def _made_by(about: Any) -> list[str]:
    return list(about["made_by"]) if isinstance(about, Mapping) else []
