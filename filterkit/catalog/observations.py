"""Rows of observations: the pictures, the statistics and the exemplars of filters."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import exemplar, image, layer, model, observation, response
from filterkit.catalog.sqlite.statements import among, insert_rows, update_rows
from filterkit.catalog.validation import check_rows
from filterkit.errors import CatalogError, NotFoundError, check_text, closest

Row = dict[str, Any]

OBSERVATIONS: Mapping[str, sa.ColumnElement[Any]] = {
    "model": model.c.name,
    "observation": observation.c.name,
    "copies": observation.c.copies,
    "left_out": observation.c.left_out,
    "options": observation.c.options,
    "provider": observation.c.provider,
    "started": observation.c.started,
    "finished": observation.c.finished,
    "pictures_sha256": observation.c.pictures_sha256,
    "metrics": observation.c.extra_metrics,
}


class Image(NamedTuple):
    """A picture of an observation."""

    path: str
    sha256: str
    perceptual_hash: int | None
    height: int | None
    width: int | None
    label: str | None


def observations(catalog: Catalog, models: Sequence[int] | None = None) -> list[Row]:
    """One row per observation, oldest first: `OBSERVATIONS`, and how many pictures, layers and filters.

    The pictures include those that an interrupted run has added.
    """
    count = sa.func.count
    of = response.c.observation_id == observation.c.id
    columns: dict[str, sa.ColumnElement[Any]] = {
        **OBSERVATIONS,
        "pictures": sa.select(count())
        .where(image.c.observation_id == observation.c.id)
        .correlate(observation)
        .scalar_subquery(),
        "layers": sa.select(count(response.c.layer_id.distinct())).where(of).scalar_subquery(),
        "filters": sa.select(count()).select_from(response).where(of).scalar_subquery(),
    }
    query = sa.select(*(column.label(name) for name, column in columns.items())).join_from(observation, model)
    if models is not None:
        query = query.where(among(model.c.id, models))
    with catalog.connect() as connection:
        return check_rows(connection.execute(query.order_by(observation.c.id)).mappings(), columns)


def find(catalog: Catalog, model_id: int, name: str) -> Row | None:
    """The row of an observation of a model, or None."""
    query = sa.select(observation).where(observation.c.model_id == model_id, observation.c.name == name)
    with catalog.connect() as connection:
        found = check_rows(connection.execute(query).mappings(), dict(observation.c.items()))
    return found[0] if found else None


def named(catalog: Catalog, model_row: Mapping[str, Any], name: str) -> Row:
    """As `find`; raises NotFoundError if there is no such observation."""
    check_text("observation", name)
    found = find(catalog, model_row["id"], name)
    if found is None:
        names = [row["observation"] for row in observations(catalog, [model_row["id"]])]
        raise NotFoundError(
            f"{model_row['name']} has no observation '{name}'",
            hint=closest(name, names) if names else f"filterkit observe {model_row['name']} IMAGES...",
        )
    return found


def existing(catalog: Catalog, model_row: Mapping[str, Any], name: str | None, layer_id: int) -> Row:
    """The row of an observation of a layer; without a name, of the newest one.

    Raises
    ------
    NotFoundError
        There is none.
    """
    covers = sa.exists().where(response.c.layer_id == layer_id, response.c.observation_id == observation.c.id)
    query = sa.select(observation).where(observation.c.model_id == model_row["id"], covers)
    if name is not None:
        check_text("observation", name)
        query = query.where(observation.c.name == name)
    query = query.order_by(observation.c.id.desc()).limit(1)
    with catalog.connect() as connection:
        found = check_rows(connection.execute(query).mappings(), dict(observation.c.items()))
    if found:
        return found[0]
    of_model = {row["observation"]: row for row in observations(catalog, [model_row["id"]])}
    again = f"filterkit observe {model_row['name']} IMAGES..."
    if name is None or not of_model:
        raise NotFoundError(f"{model_row['name']} has not been observed", hint=again)
    if name not in of_model:
        raise NotFoundError(f"{model_row['name']} has no observation '{name}'", hint=closest(name, of_model))
    if of_model[name]["finished"] is None:
        raise NotFoundError(
            f"observation '{name}' of {model_row['name']} is not finished",
            hint="the command that began it continues it",
        )
    raise NotFoundError(f"observation '{name}' does not contain this layer", hint=f"{again} --name {name}")


def create(catalog: Catalog, model_id: int, name: str, options: Mapping[str, Any]) -> Row:
    """Add an observation without pictures; returns its row.

    Raises
    ------
    CatalogError
        Another process has added it.
    """
    row = {
        "model_id": model_id,
        "name": name,
        "options": dict(options),
        "folder": secrets.token_hex(32),
        "pictures": 0,
        "copies": 0,
        "left_out": 0,
        "started": _now(),
    }
    with catalog.begin() as connection:
        if not connection.execute(sa.insert(observation).prefix_with("OR IGNORE").values(row)).rowcount:
            raise busy()
    found = find(catalog, model_id, name)
    assert found is not None
    return found


def images(catalog: Catalog, observation_id: int) -> list[Image]:
    """The pictures of an observation, in their order."""
    names = Image._fields
    columns = {name: image.c[name] for name in ("position", *names)}
    query = sa.select(*columns.values()).where(image.c.observation_id == observation_id)
    with catalog.connect() as connection:
        rows = check_rows(connection.execute(query.order_by(image.c.position)).mappings(), columns)
    if any(row["position"] != number for number, row in enumerate(rows)):
        raise CatalogError("the catalog is corrupted: pictures of an observation are missing")
    return [Image(*(row[name] for name in names)) for row in rows]


def images_of_all_layers(catalog: Catalog, row: Mapping[str, Any]) -> list[Image]:
    """The pictures that all layers were run over; a run that was interrupted may have added others."""
    found = images(catalog, row["id"])[: row["pictures"]]
    if len(found) < row["pictures"]:
        raise CatalogError("the catalog is corrupted: pictures of an observation are missing")
    return found


def count_images(catalog: Catalog, observation_id: int) -> int:
    """The number of pictures of an observation."""
    query = sa.select(sa.func.count()).where(image.c.observation_id == observation_id)
    with catalog.connect() as connection:
        return int(connection.scalar(query) or 0)


def add_images(catalog: Catalog, observation_id: int, start: int, added: Sequence[Image]) -> None:
    """Add pictures after the first `start`.

    Raises
    ------
    CatalogError
        The observation was removed, or another process has added pictures to it.
    """
    with catalog.begin() as connection:
        there = sa.select(sa.func.count()).where(image.c.observation_id == observation_id)
        exists = sa.select(sa.func.count()).where(observation.c.id == observation_id)
        if not connection.scalar(exists):
            raise CatalogError("the observation was removed in the meantime", hint="observe again")
        if connection.scalar(there) != start:
            raise busy()
        if added:
            positions = range(start, start + len(added))
            columns = dict(zip(Image._fields, map(list, zip(*added, strict=True)), strict=True))
            insert_rows(
                connection,
                image,
                {"observation_id": repeat(observation_id, len(added)), "position": positions, **columns},
            )


def busy() -> CatalogError:
    """The error for an observation that two processes run at the same time."""
    return CatalogError(
        "another process is adding pictures or layers to this observation",
        hint="wait for it to end, then run the same command",
    )


def finish(
    catalog: Catalog,
    observation_id: int,
    pictures: Sequence[Image],
    layers: Iterable[tuple[int, Mapping[str, Sequence[Any]], Mapping[str, Sequence[Any]]]],
    about: Mapping[str, Any],
    moved: Mapping[int, Image],
) -> None:
    """Write what is known of the filters, in place of what was known before.

    Parameters
    ----------
    layers
        For each layer its id, the columns of table `response` from the first filter on, and the columns of
        table `exemplar` with ``position``.
    about
        Columns of table `observation`.
    moved
        As in `move_images`; labels change together with what depends on them.
    """
    with catalog.begin() as connection:
        _move(connection, observation_id, moved)
        for layer_id, responses, exemplars in layers:
            for table in (response, exemplar):
                mine = (table.c.layer_id == layer_id) & (table.c.observation_id == observation_id)
                connection.execute(sa.delete(table).where(mine))
            for table, columns in (
                (response, {"position": range(len(next(iter(responses.values())))), **responses}),
                (exemplar, exemplars),
            ):
                count = len(next(iter(columns.values()), ()))  # keys repeated without end would end no row
                key = {
                    "layer_id": repeat(layer_id, count),
                    "observation_id": repeat(observation_id, count),
                }
                insert_rows(connection, table, {**key, **columns})
        values = {
            **about,
            "pictures": len(pictures),
            "pictures_sha256": set_hash(each.sha256 for each in pictures),
            "finished": _now(),
        }
        connection.execute(sa.update(observation).where(observation.c.id == observation_id).values(values))


def move_images(catalog: Catalog, observation_id: int, moved: Mapping[int, Image]) -> None:
    """Write the paths and labels that pictures have now.

    Parameters
    ----------
    moved
        The pictures by their position.
    """
    with catalog.begin() as connection:
        _move(connection, observation_id, moved)


def _move(connection: sa.Connection, observation_id: int, moved: Mapping[int, Image]) -> None:
    if moved:
        paths, labels = zip(*((each.path, each.label) for each in moved.values()), strict=True)
        key = {"observation_id": (observation_id,) * len(moved), "position": tuple(moved)}
        update_rows(connection, image, {"path": paths, "label": labels}, key)


def remove(catalog: Catalog, observation_id: int, *, only_empty: bool = False) -> None:
    """Delete an observation, or only one without pictures; its files remain until the store is swept."""
    query = sa.delete(observation).where(observation.c.id == observation_id)
    if only_empty:  # another process may have added pictures to it
        query = query.where(~sa.exists().where(image.c.observation_id == observation_id))
    with catalog.begin() as connection:
        connection.execute(query)


def move_observations(connection: sa.Connection, old: int, new: int) -> None:
    """Move the observations of a model to one with the same layers; if it has others, do nothing.

    Parameters
    ----------
    old, new
        The ids of the models.
    """
    before, after = layer.alias(), layer.alias()
    columns = (
        "position",
        "name",
        "filters",
        "scope",
        "pre_tensor",
        "pre_layout",
        "post_tensor",
        "post_layout",
    )
    of = [
        connection.execute(sa.select(*(layer.c[each] for each in columns)).where(layer.c.model_id == each_id))
        for each_id in (old, new)
    ]
    if {*of[0].all()} != {*of[1].all()}:
        return
    connection.execute(sa.update(observation).where(observation.c.model_id == old).values(model_id=new))
    pairs = sa.select(after.c.id).join_from(before, after, before.c.position == after.c.position)
    for table in (response, exemplar):
        same = pairs.where(before.c.id == table.c.layer_id, after.c.model_id == new).scalar_subquery()
        of_old = table.c.layer_id.in_(sa.select(layer.c.id).where(layer.c.model_id == old))
        connection.execute(sa.update(table).where(of_old).values(layer_id=same))


def specs_of(row: Mapping[str, Any] | None) -> list[str]:
    """The metrics that a row of table `observation` states."""
    if row is None:
        return []
    return [spec for maker in row["plugins"].values() if isinstance(maker, dict) for spec in maker["made_by"]]


def set_hash(hashes: Iterable[str]) -> str:
    """SHA-256 of the hashes of pictures, one a line, in their order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def observed_layers(catalog: Catalog, observation_id: int) -> list[int]:
    """The ids of the layers with rows of an observation."""
    of = response.c.observation_id == observation_id
    query = sa.select(response.c.layer_id).where(of).distinct().order_by(response.c.layer_id)
    with catalog.connect() as connection:
        return [int(key) for key in connection.scalars(query)]


def exemplars(
    catalog: Catalog, observation_id: int, layer_id: int, positions: Sequence[int], ranks: Sequence[int]
) -> list[Row]:
    """The exemplars of filters of a layer, with their pictures, in the order of filters and ranks."""
    own = (
        *("position", "rank", "value", "z", "y", "x"),
        *("box_top", "box_left", "box_bottom", "box_right", "at_border"),
    )
    columns = {name: exemplar.c[name] for name in own}
    columns |= {name: image.c[name] for name in Image._fields}
    query = (
        sa.select(*columns.values())
        .join_from(
            exemplar,
            image,
            (image.c.observation_id == exemplar.c.observation_id) & (image.c.position == exemplar.c.image),
        )
        .where(
            exemplar.c.observation_id == observation_id,
            exemplar.c.layer_id == layer_id,
            among(exemplar.c.position, list(positions)),
            among(exemplar.c.rank, list(ranks)),
        )
        .order_by(exemplar.c.position, sa.func.abs(exemplar.c.rank))
    )
    with catalog.connect() as connection:
        return check_rows(connection.execute(query).mappings(), columns)


def exemplar_hashes(catalog: Catalog, observation_id: int) -> set[str]:
    """The hashes of the pictures that are exemplars of any filter."""
    of_picture = (image.c.observation_id == exemplar.c.observation_id) & (
        image.c.position == exemplar.c.image
    )
    columns = {"sha256": image.c.sha256}
    query = sa.select(image.c.sha256).join_from(exemplar, image, of_picture)
    query = query.where(exemplar.c.observation_id == observation_id).distinct()
    with catalog.connect() as connection:
        return {row["sha256"] for row in check_rows(connection.execute(query).mappings(), columns)}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
