"""Catalog files, looked at with SQLite alone."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from filterkit.catalog import Catalog
from filterkit.catalog.migrations import upgrade


def migrated(location: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{location}")
    with engine.begin() as connection:
        upgrade.migrate(connection)
    return engine


def tables_of(location: Path) -> dict[str, list[str]]:
    """The words of every text of the schema, sorted: constraints may be in any order, and what was made
    has its name in quotes."""
    with contextlib.closing(sqlite3.connect(location)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {
        name: sorted(sql.replace(",", " ").replace(f'TABLE "{name}"', f"TABLE {name}").split())
        for name, sql in found
    }


def new_catalog(location: Path) -> Path:
    Catalog.open(location, write=True).close()
    return location
