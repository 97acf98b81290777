"""The only writer: put a staged model into a catalog and its store, all of it or nothing; remove models."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Literal

import sqlalchemy as sa

from filterkit.catalog import schema
from filterkit.catalog.database import Catalog
from filterkit.catalog.edges import put_edges
from filterkit.catalog.model_input import has_placeholder_size, range_of, takes_no_pictures
from filterkit.catalog.observations import move_observations
from filterkit.catalog.schema import model
from filterkit.catalog.sqlite.statements import insert_rows
from filterkit.catalog.store import model_sha256
from filterkit.catalog.validation import check_rows
from filterkit.catalog.weights import removed
from filterkit.errors import CatalogError, NotFoundError, closest
from filterkit.graph.layers.picture_input import fixed_size
from filterkit.hashing import file_sha256
from filterkit.ingest.stage import Contents, Known, Staged, another_model
from filterkit.short_reprs import short_repr

Row = dict[str, Any]

DECIDE_RESPONSES = ("sha256", "banks_sha256", "input_name", "input_layout", "preprocessing")
"""Columns of a model on which the responses of its filters depend."""

Status = Literal["added", "replaced", "unchanged", "restored"]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What adding a model did.

    Attributes
    ----------
    status
        ``"added"``; ``"replaced"``; ``"unchanged"`` if the catalog had it; ``"restored"`` if only files were
        missing from the store.
    assumed
        Whether the preprocessing is a guess.
    not_finite
        How many of the filters that were written have a weight that is NaN or infinite.
    unmeasured
        Columns that stay empty because the metric of a plugin failed.
    assumed_range
        If the preprocessing is a guess, the range of pixels that it produces, in words.
    placeholder_size
        Height and width that pictures are resized to because the file states them, if they are so small that
        they may be a placeholder; or None.
    takes_no_pictures
        A message if the model's input does not have the four axes of pictures.
    removed_observations
        The names of the observations that were removed with a model that was replaced by another.
    plugins
        What the catalog says of the plugins that took part, by name.
    """

    model: str
    status: Status
    layers: int
    filters: int
    kernels: int
    parameters: int
    skipped: int
    assumed: bool
    not_finite: int = 0
    unmeasured: tuple[str, ...] = ()
    plugins: Mapping[str, Any] = field(default_factory=dict, repr=False)
    assumed_range: str = ""
    placeholder_size: tuple[int, int] | None = None
    takes_no_pictures: str = ""
    removed_observations: tuple[str, ...] = ()

    __repr__ = short_repr


def known_model(catalog: Catalog, name: str) -> Known | None:
    """What a catalog has under a name; staging compares the model with it.

    Raises
    ------
    CatalogError
        The catalog is corrupted, or its store has a link.
    """
    with catalog.connect() as connection:
        row = _row(connection, name)
    if row is None:
        return None
    has_banks = catalog.store.banks_path(row["banks_sha256"]).is_file()
    files = catalog.store.model_files(row["sha256"]) if has_banks else ()
    return Known(row["sha256"], row["ref"], bool(row["fold_batchnorm"]), frozenset(files))


def commit(catalog: Catalog, staged: Staged, *, replace: bool = False, verify: bool = True) -> IngestResult:
    """Write a staged model to a catalog that is open for writing. Its file of banks is moved to the store.

    Parameters
    ----------
    replace
        Replace a model of that name, whatever its content.
    verify
        Hash the staged files once more: needed unless this process has just staged them.

    Raises
    ------
    CatalogError
        There is another model of that name, the catalog or its store cannot be written, or a staged file
        changed. The catalog is as it was before.
    """
    contents = staged.contents
    if contents is None:
        return _unchanged(catalog, staged)
    if verify:
        _verify(staged, contents)
    added_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    row = {**contents.model, "added_at": added_at}
    try:
        with catalog.begin() as connection, writing(catalog):
            known = _known(connection, staged, replace)  # another process may have written since
            if known and not replace:
                if catalog.store.holds(staged.sha256, known["banks_sha256"], staged.external):
                    return _result("unchanged", known)
                if known["banks_sha256"] != row["banks_sha256"]:
                    raise CatalogError(
                        f"the filters of {staged.name} have changed since it was added",
                        hint="--replace replaces the old ones",
                    )
            model = (staged.onnx_path, staged.external, staged.sha256)
            catalog.store.put(*model, contents.banks_path, row["banks_sha256"], rewrite=replace)
            if known and not replace:
                return _result("restored", known)
            if known:  # aside, as what was observed of it may be kept
                aside = sa.update(schema.model).where(schema.model.c.id == known["id"])
                connection.execute(aside.values(name=f" {staged.name}"))
            model_id = _insert(connection, row, contents)
            lost: tuple[str, ...] = ()
            if known:
                made = _row(connection, staged.name)
                if made and all(known[name] == made[name] for name in DECIDE_RESPONSES):
                    move_observations(connection, known["id"], model_id)
                lost = _observations(connection, known["id"])
                connection.execute(sa.delete(schema.model).where(schema.model.c.id == known["id"]))
    finally:
        with suppress(CatalogError):  # what is left over is swept next time
            sweep(catalog)
    result = _result("replaced" if known else "added", row)
    return dataclasses.replace(
        result,
        not_finite=contents.not_finite,
        unmeasured=contents.unmeasured,
        removed_observations=lost,
    )


def _observations(connection: sa.Connection, model_id: int) -> tuple[str, ...]:
    own = schema.observation
    query = sa.select(own.c.name).where(own.c.model_id == model_id).order_by(own.c.id)
    return tuple(connection.scalars(query))


def _unchanged(catalog: Catalog, staged: Staged) -> IngestResult:
    with catalog.connect() as connection:
        known = _known(connection, staged, replace=False)
    if not known or not catalog.store.holds(staged.sha256, known["banks_sha256"], staged.external):
        raise removed(staged.name)
    return _result("unchanged", known)


def _verify(staged: Staged, contents: Contents) -> None:
    """Raise CatalogError if a file is not as it was staged."""
    try:
        same = {
            staged.onnx_path: model_sha256(staged.onnx_path, staged.external) == staged.sha256,
            contents.banks_path: not contents.banks_path.is_symlink()  # which would be moved as it is
            and file_sha256(contents.banks_path) == contents.model["banks_sha256"],
        }
    except OSError as error:
        raise CatalogError(
            f"a staged file of {staged.name} cannot be read: {error}", hint="add it again"
        ) from error
    changed = next((path for path, is_same in same.items() if not is_same), None)
    if changed:
        raise CatalogError(f"{changed} changed after it was staged", hint="add the model again")


def _row(connection: sa.Connection, name: str) -> Row | None:
    rows = connection.execute(sa.select(schema.model).where(schema.model.c.name == name)).mappings()
    return next(iter(check_rows(rows, dict(schema.model.c.items()))), None)


def _known(connection: sa.Connection, staged: Staged, replace: bool) -> Row | None:
    """The row of the model of that name, if there is one; it has the same content or may be replaced."""
    found = _row(connection, staged.name)
    if found and found["sha256"] != staged.sha256 and not replace:
        raise another_model(staged.name, found["ref"])
    return found


def _insert(connection: sa.Connection, row: Row, contents: Contents) -> int:
    """Returns the id of the model."""
    key = connection.execute(sa.insert(schema.model).values(row)).inserted_primary_key
    assert key is not None
    model_id = int(key[0])
    for table, rows in ((schema.layer, contents.layers), (schema.skipped, contents.skipped)):
        if rows:
            connection.execute(sa.insert(table), [{"model_id": model_id, **each} for each in rows])
    of_model = sa.select(schema.layer.c.id).where(schema.layer.c.model_id == model_id)
    layer_ids = connection.scalars(of_model.order_by(schema.layer.c.position))
    for layer_id, columns in zip(layer_ids.all(), contents.filters, strict=True):
        insert_rows(connection, schema.filter_, {"layer_id": repeat(layer_id), **columns})
    put_edges(connection, model_id, contents.edges)
    return model_id


def _result(status: Status, row: Mapping[str, Any]) -> IngestResult:
    """The result for a row of table `model`."""
    counts = {name: row[name] for name in ("layers", "filters", "kernels", "parameters", "skipped")}
    preprocessing = row["preprocessing"] or {}
    assumed = bool(preprocessing.get("assumed"))
    height, width = fixed_size(row["input_shape"], row["input_layout"])
    return IngestResult(
        model=row["name"],
        status=status,
        assumed=assumed,
        plugins=row["plugins"],
        assumed_range=range_of(preprocessing) if assumed else "",
        placeholder_size=(height, width) if height and width and has_placeholder_size(row) else None,
        takes_no_pictures=takes_no_pictures(row)
        if row["input_shape"] and len(row["input_shape"]) != 4
        else "",
        **counts,
    )


@contextmanager
def writing(catalog: Catalog) -> Iterator[None]:
    """Raise errors in writing the store as CatalogError."""
    try:
        yield
    except OSError as error:
        raise CatalogError(
            f"the store {catalog.store.folder} cannot be written: {error}",
            hint="check for free disk space and for permission to write there",
        ) from error


def remove(catalog: Catalog, name: str) -> int:
    """Delete a model's rows, then the files that no other model needs; returns the number of bytes freed.

    Raises
    ------
    NotFoundError
        There is no such model.
    """
    with catalog.begin() as connection:
        if not connection.execute(sa.delete(model).where(model.c.name == name)).rowcount:
            names = [*connection.scalars(sa.select(model.c.name))]
            first = name.partition("/")[0]  # of an address
            hint = f"`filterkit remove {first}` removes all of it" if first in names else closest(name, names)
            raise NotFoundError(f"there is no model '{name}' in the catalog", hint=hint)
    return sweep(catalog)


def sweep(catalog: Catalog) -> int:
    """Delete files of the store that no row names, e.g. of a killed process; returns their bytes.

    Raises
    ------
    CatalogError
        The store cannot be changed.
    """
    with catalog.begin() as connection:  # no other process can write to the store meanwhile
        hashes = {"sha256": model.c.sha256, "banks_sha256": model.c.banks_sha256}
        # The files of a corrupted row are unknown: `check_rows` raises, and nothing is deleted.
        needed = check_rows(connection.execute(sa.select(*hashes.values())).mappings(), hashes)
        folders = {"folder": schema.observation.c.folder}
        observed = check_rows(connection.execute(sa.select(*folders.values())).mappings(), folders)
        try:
            return catalog.store.sweep(
                {row["sha256"] for row in needed},
                {row["banks_sha256"] for row in needed},
                {row["folder"] for row in observed},
            )
        except OSError as error:
            raise CatalogError(
                f"the store {catalog.store.folder} cannot be swept: {error.strerror or error}",
                hint="check for permission to write there; leftover files are deleted next time",
            ) from error
