"""The declared schema is the one that the migrations make."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from catalog_files import migrated, new_catalog, tables_of

from filterkit.catalog import schema


def test_migrations_make_the_declared_schema(tmp_path: Path) -> None:
    location = tmp_path / "migrated.db"
    engine = migrated(location)
    with engine.connect() as connection:
        # Alembic ignores the order of an index; like WITHOUT ROWID, it is checked in the SQL.
        options = {
            "version_table": schema.version.name,
            "include_object": lambda thing, name, kind, *_: kind != "index",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()
    # The SQL of tables and indexes must agree as well.
    assert tables_of(location) == tables_of(new_catalog(tmp_path / "new.db"))
