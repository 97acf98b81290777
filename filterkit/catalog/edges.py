"""The edges of a model: which layers the output of a layer reaches, as rows of table `edge`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit.catalog.addresses import BRIEF_LAYER
from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import edge, layer, model
from filterkit.catalog.sqlite.statements import insert_rows, to_json
from filterkit.catalog.validation import check_rows, damaged_value

if TYPE_CHECKING:
    from filterkit.graph.layers.layer_edges import Edge

Row = dict[str, Any]

MODEL = tuple(
    model.c[name]
    for name in ("id", "name", "sha256", "banks_sha256", "producer", "ref", "fold_batchnorm", "edges")
)
LAYER = (
    *BRIEF_LAYER,
    *(layer.c[name] for name in ("scope", "input_tensor", "pre_tensor", "post_tensor")),
    *(layer.c[name] for name in ("pre_layout", "post_layout", "activation")),
)
"""The columns of models and layers from which edges are traced."""


def edge_rows(edges: Iterable[Edge]) -> list[Row]:
    """Rows of table `edge`, without the model's id."""
    return [
        {"position": position, **each._asdict(), "via": list(each.via)} for position, each in enumerate(edges)
    ]


def put_edges(connection: sa.Connection, model_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows of a model that has none."""
    columns = {column.name: [row.get(column.name) for row in rows] for column in edge.columns}
    columns |= {"model_id": [model_id] * len(rows), "via": [to_json(row["via"]) for row in rows]}
    insert_rows(connection, edge, columns)


def keep_edges(catalog: Catalog, of: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the edges of a model of an older catalog; nothing if it was replaced in the meantime.

    Parameters
    ----------
    of
        The row of the model, with at least the columns `MODEL`.
    """
    with catalog.begin() as connection:
        same = model.c.id == of["id"], model.c.sha256 == of["sha256"], model.c.edges.is_(None)
        if connection.execute(sa.update(model).where(*same).values(edges=len(rows))).rowcount:
            put_edges(connection, of["id"], rows)


def edges_of(catalog: Catalog, model_id: int, layers: int) -> list[Row]:
    """The rows of a model with this number of layers, in order."""
    columns = {name: column for name, column in edge.c.items() if name != "model_id"}
    query = sa.select(*columns.values()).where(edge.c.model_id == model_id).order_by(edge.c.position)
    with catalog.connect() as connection:
        rows = check_rows(connection.execute(query).mappings(), columns)
        for row in rows:
            for end in ("from_layer", "to_layer"):
                if row[end] is not None and row[end] >= layers:
                    raise damaged_value(end, row[end])
        return rows
