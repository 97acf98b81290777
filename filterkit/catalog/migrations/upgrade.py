"""Upgrading an older catalog to the current schema."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from filterkit.catalog import schema
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.connections import SUFFIXES, beside

SCRIPTS = Path(__file__).parent


def upgrade(path: Path) -> Path:
    """Upgrade the catalog at `path`, all or nothing, after copying it; returns the copy's path.

    Raises
    ------
    CatalogError
        The catalog cannot be written.
    sqlalchemy.exc.DBAPIError
        A migration fails; the catalog is then unchanged.
    """
    # Migrations recreate tables, and rows that refer to one must not be deleted along with the old one.
    engine = connections.engine(path, write=True, foreign_keys=False)
    try:
        with engine.connect() as connection, connections.as_writer(connection).begin():
            revision = connection.scalar(sa.select(schema.version.c.version_num))
            copy = back_up(path, f"schema-{revision}")
            migrate(connection)
    finally:
        engine.dispose()
    return copy


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` on `connection`, inside its transaction."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def back_up(path: Path, why: str) -> Path:
    """Copy the catalog at `path`, including its write-ahead log, to a file beside it, named after `why`."""
    copy = _free_name(path, f"{path.name}.{why}.backup")
    copy.touch(exist_ok=False)  # follows no link, and overwrites nothing
    with (
        closing(connections.connect(path)) as source,
        closing(connections.connect(copy, write=True)) as target,
    ):
        source.backup(target)
    return copy


def _free_name(path: Path, wanted: str) -> Path:
    """`wanted` in the folder of `path`, with a number if that name is taken, or if SQLite would take a file
    there for the journal of a database of that name."""
    for number in count(1):
        copy = path.with_name(wanted if number == 1 else f"{wanted}-{number}")
        if not any(os.path.lexists(each) for each in (copy, *(beside(copy, end) for end in SUFFIXES))):
            return copy
    raise AssertionError("there is always another number")
