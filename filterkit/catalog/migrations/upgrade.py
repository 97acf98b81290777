"""Bringing an older catalog to the schema of this code."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import NullPool

from filterkit.catalog import schema
from filterkit.catalog.sqlite import connections
from filterkit.catalog.sqlite.journals import SUFFIXES, beside

SCRIPTS = Path(__file__).parent


def upgrade(path: Path) -> Path:
    """Upgrade the catalog at `path`, all or nothing, after copying it; returns the copy's path.

    Raises
    ------
    CatalogError
        Where the catalog cannot be written.
    sqlalchemy.exc.DBAPIError
        Where a step fails; the catalog is then as it was.
    """
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connections.connect(path, write=True), poolclass=NullPool
    )
    with engine.connect() as connection:
        # Steps make tables anew, and the rows that refer to one must not be deleted along with the old one.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        revision = connection.scalar(sa.select(schema.version.c.version_num))
        copy = back_up(path, f"schema-{revision}")
        migrate(connection)
        connection.commit()
    return copy


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision` on `connection`, inside its transaction."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def back_up(path: Path, why: str) -> Path:
    """Copy the catalog at `path`, what its log holds included, to a file beside it, named after `why`."""
    copy = _free_name(path, f"{path.name}.{why}.backup")
    copy.touch(exist_ok=False)  # follows no link, and takes nobody's place
    with (
        closing(connections.connect(path)) as source,
        closing(connections.connect(copy, write=True)) as target,
    ):
        source.backup(target)
    return copy


def _free_name(path: Path, wanted: str) -> Path:
    """`wanted` in the folder of `path`, with a number where anything has that name, or SQLite would take it
    for what belongs to a database of that name."""
    for number in count(1):
        copy = path.with_name(wanted if number == 1 else f"{wanted}-{number}")
        if not any(os.path.lexists(each) for each in (copy, *(beside(copy, end) for end in SUFFIXES))):
            return copy
    raise AssertionError("there is always another number")
