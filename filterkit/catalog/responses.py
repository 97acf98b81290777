"""Response statistics as columns of filters and layers: of the newest observation, or of one by name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import filter_, layer, observation, response
from filterkit.catalog.sqlite.statements import among, json_field
from filterkit.catalog.validation import check_of, check_rows, damaged_value
from filterkit.errors import NotFoundError, check_text, closest

Column = sa.ColumnElement[Any]

RESPONSES: Mapping[str, Column] = {
    "response_mean": response.c.mean,
    "response_std": response.c.std,
    "response_max": response.c.max,
    "response_p99": response.c.p99,
    "active_share": response.c.active_share,
    "fires_share": response.c.fires_share,
    "top_class": response.c.top_class,
    "top_class_share": response.c.top_class_share,
}

NAME = "observation"
"""The parameter of statements that is bound to the name of an observation."""


def with_responses(query: sa.Select[Any], *, observed: bool, named: bool) -> sa.Select[Any]:
    """`query` over filters, joined with their responses if it uses any of them.

    Parameters
    ----------
    observed
        Whether the filters were observed.
    named
        Whether the responses are those of the observation whose name is bound as `NAME`.

    Raises
    ------
    NotFoundError
        It uses responses, but the filters were not observed.
    """
    if not any(getattr(each, "table", None) is response for each in visitors.iterate(query)):
        return query
    if not observed:
        raise NotFoundError(
            "responses are not known: these filters have not been observed",
            hint="filterkit observe MODEL IMAGES...",
        )
    other = response.alias()
    newest = sa.select(sa.func.max(other.c.observation_id)).where(
        other.c.layer_id == filter_.c.layer_id, other.c.position == filter_.c.position
    )
    if named:
        newest = newest.join(observation, observation.c.id == other.c.observation_id).where(
            observation.c.name == sa.bindparam(NAME)
        )
    return query.outerjoin(
        response,
        (response.c.layer_id == filter_.c.layer_id)
        & (response.c.position == filter_.c.position)
        & (response.c.observation_id == newest.scalar_subquery()),
    )


def are_observed(catalog: Catalog, layers: Sequence[int] | None, name: str | None) -> bool:
    """Whether any of these layers, or of all, was observed.

    Raises
    ------
    NotFoundError
        None of them has an observation of this name.
    """
    if name is None:  # asked for every listing: without SQLAlchemy, which takes longer than SQLite
        statement = "SELECT 1 FROM response"
        if layers is not None:
            statement += " WHERE layer_id IN (SELECT value FROM json_each(?))"
        values = [] if layers is None else [json.dumps(list(layers))]
        with catalog.read() as reading:
            return reading.execute(f"{statement} LIMIT 1", values).fetchone() is not None
    check_text("observation", name)
    of_layers = sa.true() if layers is None else among(response.c.layer_id, list(layers))
    named = sa.select(response.c.layer_id).join(observation).where(observation.c.name == name, of_layers)
    with catalog.connect() as connection:
        if connection.execute(named.limit(1)).first() is not None:
            return True
        every = sa.select(observation.c.name)
        if layers is not None:
            of_models = sa.select(layer.c.model_id).where(among(layer.c.id, list(layers)))
            every = every.where(observation.c.model_id.in_(of_models))
        names = [str(each) for each in connection.scalars(every)]
    raise NotFoundError(
        f"these layers have no observation '{name}'",
        hint=closest(name, names) if names else "filterkit observe MODEL IMAGES...",
    )


def response_metric(name: str) -> Column:
    """A column that a response metric of a plugin filled: a number or NULL."""
    return json_field(response.c.extra, name)


def extra_responses(catalog: Catalog, layers: Sequence[int] | None, name: str | None) -> tuple[str, ...]:
    """The columns that response metrics of plugins filled in the newest observation of any of these layers.

    Or of all layers, if `layers` is None; or in the observations with that name.
    """
    with catalog.read() as reading:
        found = reading.execute(
            "SELECT id, model_id, name, extra_metrics FROM observation WHERE extra_metrics <> '[]'"
        ).fetchall()
        if name is not None:
            found = [row for row in found if row[2] == name]
        if not found:
            return ()
        some = "" if layers is None else "WHERE layer.id IN (SELECT value FROM json_each(?))"
        values = [] if layers is None else [json.dumps(list(layers))]
        which = "model_id" if name is not None else NEWEST
        used = {row[0] for row in reading.execute(f"SELECT {which} FROM layer {some}", values)}
    names: dict[str, None] = {}
    for key, model_id, _, stored in found:
        if (key if name is None else model_id) in used:
            columns = json.loads(stored)
            if not check_of(observation.c.extra_metrics)(columns):
                raise damaged_value("extra_metrics", stored)
            names |= dict.fromkeys(columns)
    return tuple(names)


NEWEST = "(SELECT max(observation_id) FROM response WHERE layer_id = layer.id AND position = 0)"
"""The newest observation of a layer: all filters of a layer have the same ones."""


def layer_responses(
    catalog: Catalog, layers: Sequence[int], name: str | None, extra: Sequence[str] = ()
) -> dict[int, dict[str, Any]]:
    """`RESPONSES` of whole layers, by id: means over their filters, the maximum of the maxima.

    ``top_class`` is that of most filters, and ``top_class_share`` the share of these filters among all.
    `extra` are columns of response metrics; their means are over the filters for which they are defined.
    """
    of_layers = {**{each: response_metric(each) for each in extra}, **RESPONSES}
    of_filters = sa.select(
        filter_.c.layer_id, *(column.label(each) for each, column in of_layers.items())
    ).where(among(filter_.c.layer_id, list(layers)))
    rows = with_responses(of_filters.select_from(filter_), observed=True, named=name is not None).subquery()
    aggregates: dict[str, Column] = {
        each: (sa.func.max if each == "response_max" else sa.func.avg)(rows.c[each], type_=sa.REAL)
        for each in of_layers
        if each not in ("top_class", "top_class_share")
    }
    key = {"layer_id": layer.c.id}
    numbers = sa.select(rows.c.layer_id, *(column.label(each) for each, column in aggregates.items()))
    classes = sa.select(rows.c.layer_id, rows.c.top_class, sa.func.count().label("filters"))
    bound = {} if name is None else {NAME: name}
    with catalog.connect() as connection:
        found = check_rows(
            connection.execute(numbers.group_by(rows.c.layer_id), bound).mappings(), {**key, **aggregates}
        )
        per_class = connection.execute(classes.group_by(rows.c.layer_id, rows.c.top_class), bound).all()
    counts: dict[int, Counter[str | None]] = {}
    for layer_id, label, filters in per_class:
        counts.setdefault(layer_id, Counter())[label] = filters
    made = {}
    for row in found:
        layer_id = row.pop("layer_id")
        of_layer = counts[layer_id]
        total = sum(of_layer.values())
        of_layer.pop(None, None)
        best = min(of_layer, key=lambda label: (-of_layer[label], str(label)), default=None)
        share = None if best is None else of_layer[best] / total
        made[layer_id] = {**row, "top_class": best, "top_class_share": share}
    return made
