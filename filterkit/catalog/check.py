"""Checks that a catalog and its store are intact, for `filterkit doctor`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.observation_files import ObservationFiles
from filterkit.catalog.observations import specs_of
from filterkit.catalog.schema import (
    edge,
    exemplar,
    filter_,
    image,
    layer,
    model,
    observation,
    response,
    skipped,
)
from filterkit.catalog.sqlite.statements import count_orphans, integrity_errors
from filterkit.catalog.store import stored_model_sha256
from filterkit.catalog.validation import (
    check_of,
    check_rows,
    damaged_value,
    is_json,
    row_checks,
    validated_rows,
)
from filterkit.catalog.visualization_files import corrupted
from filterkit.catalog.weights import add_command
from filterkit.errors import CatalogError
from filterkit.hashing import file_sha256, is_sparse

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Progress, Row

TABLES = (model, layer, filter_, skipped, edge, observation, image, response, exemplar)

SHOWN = 3
"""How many of SQLite's own findings are shown; there may be thousands."""


def check_database(catalog: Catalog) -> list[str]:
    """Describe what is wrong with the database; reads all of it.

    Raises
    ------
    CatalogError
        It is too corrupted to be read.
    """
    counted = (
        sa.select(sa.func.count())
        .select_from(filter_.join(layer))
        .where(layer.c.model_id == model.c.id)
        .scalar_subquery()
    )
    of_model = edge.c.model_id == model.c.id
    edges = sa.select(sa.func.count()).where(of_model).scalar_subquery()
    last = sa.func.max(sa.func.coalesce(edge.c.from_layer, 0), sa.func.coalesce(edge.c.to_layer, 0))
    ends = sa.select(sa.func.max(last)).where(of_model).scalar_subquery()
    wrong = [finding for table in TABLES if (finding := _wrong_value(catalog, table))]
    with catalog.connect() as connection:
        found = integrity_errors(connection, SHOWN)
        orphans = count_orphans(connection)
        misfit = sa.or_(edges != sa.func.coalesce(model.c.edges, 0), ends >= model.c.layers)
        edgy = connection.scalars(sa.select(model.c.name).where(misfit)).all()
        short = connection.scalars(sa.select(model.c.name).where(counted != model.c.filters)).all()
    return [
        *found,
        *([f"{orphans} rows belong to no model"] if orphans else []),
        *(f"rows of {name} are missing" for name in short),
        *(f"the edges of {name} do not fit its layers" for name in edgy),
        *(wrong or ([] if catalog.store.links() else _other_shapes(catalog))),
    ]


def _other_shapes(catalog: Catalog) -> list[str]:
    """Layers whose rows contradict the shape of their filters in the store, if those exist."""
    names = ("name", "filters", "kernels", "kernel_shape")
    columns = {name: layer.c[name] for name in names} | {"model": model.c.name, "banks": model.c.banks_sha256}
    query = sa.select(*(column.label(name) for name, column in columns.items())).join_from(model, layer)
    with catalog.connect() as connection:
        rows = check_rows(connection.execute(query).mappings(), columns)
    found = []
    for row in rows:
        stated = (row["filters"], row["kernels"] // row["filters"], *row["kernel_shape"])
        try:
            if catalog.store.banks(row["banks"]).weights(row["name"]).shape != stated:
                found.append(f"{row['model']}/{row['name']} does not have the shape of its filters")
        except FileNotFoundError:
            continue
        except CatalogError:
            found.append(f"{row['model']}/{row['name']} has no readable filters")
    return found


def _wrong_value(catalog: Catalog, table: sa.Table) -> str | None:
    """Describe the first invalid value in a table."""
    columns: dict[str, sa.ColumnElement[Any]] = dict(table.c.items())
    lists = [(place, name) for place, (name, column) in enumerate(columns.items()) if is_json(column)]
    names = ", ".join(f'"{name}"' for name in columns)
    try:
        with (
            catalog.read() as reading,
            closing(reading.execute(f'SELECT {names} FROM "{table.name}"')) as rows,
        ):
            for values in validated_rows(rows, row_checks(columns)):
                for place, name in lists:
                    parsed = values[place] and json.loads(values[place])
                    if not check_of(columns[name])(parsed):
                        raise damaged_value(name, parsed)
    except CatalogError as error:
        return f"table {table.name}: {error.__cause__ or error.message}"
    return None


def check_store(catalog: Catalog, progress: Progress) -> tuple[list[Row], list[Row]]:
    """Compare the hash of every file of a model with that in its row.

    Parameters
    ----------
    progress
        Called with the number of bytes hashed so far; a gigabyte takes about a second.

    Raises
    ------
    CatalogError
        A path that is read in the store is a link; see `Store.path`.

    Returns
    -------
    without_weights
        For every model without files in the store: ``model`` and what to ``do``. Its rows can still be
        queried, so this is not an error by itself.
    damaged
        For every file that is not intact: ``model``, ``file``, ``state`` (``"altered"``, ``"missing"`` or
        ``"unreadable"``) and what to ``do``.
    """
    with catalog.connect() as connection:
        found = connection.execute(sa.select(model).order_by(model.c.name)).mappings()
        rows = check_rows(found, dict(model.c.items()))
    hashed = _Hashed(progress)
    without_weights: list[Row] = []
    damaged: list[Row] = []
    for row in rows:
        states = {
            catalog.store.model_path(row["sha256"]): (row["sha256"], stored_model_sha256),
            catalog.store.banks_path(row["banks_sha256"]): (row["banks_sha256"], file_sha256),
        }
        bad = {path: state for path, (sha256, by) in states.items() if (state := hashed(path, sha256, by))}
        if list(bad.values()) == ["missing", "missing"]:
            without_weights.append({"model": row["name"], "do": add_command(row)})
            continue
        do = add_command(row) + (" --replace" if {"altered", "unreadable"} & {*bad.values()} else "")
        damaged += [
            {"model": row["name"], "file": str(path), "state": state, "do": do} for path, state in bad.items()
        ]
    for name, sha256 in {row["sha256"]: (row["name"], row["sha256"]) for row in rows}.values():
        damaged += [
            {"model": name, "file": str(path), "state": "altered", "do": _clear(path)}
            for path in corrupted(catalog.store, sha256)
        ]
    return without_weights, damaged


def _clear(path: Path) -> str:
    """How to get rid of what is in the place of a file that filterkit can compute again."""
    if path.is_dir():
        return f"move the folder {shlex.quote(str(path))} elsewhere: filterkit did not create it"
    return f"rm {shlex.quote(str(path))}"


def check_observations(catalog: Catalog) -> list[Row]:
    """Read the files of all observations that have any.

    Returns
    -------
    list
        For every file that is missing or corrupted: ``model``, ``observation``, the ``fault`` and what to
        ``do``. Without them an observation can still be queried, but not continued.
    """
    columns = {
        "model": model.c.name,
        "observation": observation.c.name,
        "folder": observation.c.folder,
        "options": observation.c.options,
        "pictures": observation.c.pictures,
        "plugins": observation.c.plugins,
        "position": layer.c.position,
        "filters": layer.c.filters,
    }
    query = (
        sa.select(*(column.label(name) for name, column in columns.items()))
        .select_from(observation)
        .join(model)
        .join(layer, layer.c.model_id == model.c.id)
        .where(
            sa.exists().where(
                response.c.layer_id == layer.c.id, response.c.observation_id == observation.c.id
            )
        )
        .order_by(observation.c.id, layer.c.id)
    )
    with catalog.connect() as connection:
        rows = check_rows(connection.execute(query).mappings(), columns)
    faults: list[Row] = []
    copies: dict[Path, Row] = {}
    for row in rows:
        if not catalog.store.observation_path(row["folder"]).is_dir():
            continue
        files = ObservationFiles(catalog.store, row["folder"])
        try:
            top, specs = row["options"]["top"], specs_of(row)
            state, _ = files.with_metrics(row["position"], row["filters"], top, specs)
            files.responses(row["position"], row["filters"], row["pictures"])
            fault = None if state and state.pictures >= row["pictures"] else "its statistics are missing"
        except CatalogError as error:
            fault = error.message
        of = {"model": row["model"], "observation": row["observation"]}
        if fault:
            again = f"filterkit remove {row['model']} --observation {row['observation']}, then observe again"
            faults.append({**of, "fault": fault, "do": again})
        copies |= {
            path: of for path in catalog.store.kept_pictures(row["folder"]) if not files.has(path.stem)
        }
    again = ", then observe again with --keep-pictures"
    return faults + [
        {**of, "fault": f"the copy of a picture is altered: {path}", "do": _clear(path) + again}
        for path, of in copies.items()
    ]


class _Hashed:
    """Checks each file once, however many models share it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._states: dict[Path, str | None] = {}
        self._bytes = 0

    def __call__(self, path: Path, sha256: str, by: Callable[[Path], str]) -> str | None:
        if path not in self._states:
            self._states[path] = self._state(path, sha256, by)
        return self._states[path]

    def _state(self, path: Path, sha256: str, by: Callable[[Path], str]) -> str | None:
        if not path.is_file():
            return "missing"
        self._bytes += path.stat().st_size
        self._progress("checking the store", self._bytes, None)
        try:
            if is_sparse(path):
                return "altered"
            return None if by(path) == sha256 else "altered"
        except OSError:
            return "unreadable"
