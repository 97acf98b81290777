"""Upgrades of catalogs: from every earlier revision, with a copy beside them, and undone where they fail."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from catalog_files import migrated, new_catalog, tables_of

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, listings, schema
from filterkit.catalog.migrations import upgrade
from filterkit.catalog.sqlite import known_schema
from filterkit.errors import CatalogError

GOLDEN = Path(__file__).parents[1] / "golden"
"""Catalogs written by earlier revisions, named after them."""


def test_the_newest_migration_is_the_head(tmp_path: Path) -> None:
    location = tmp_path / "migrated.db"
    migrated(location).dispose()
    with contextlib.closing(sqlite3.connect(location)) as connection:
        assert connection.execute(f"SELECT * FROM {schema.version.name}").fetchall() == [(schema.HEAD,)]


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A filterkit with a schema one revision ahead; yields the file of its migration."""
    scripts = tmp_path / "100% migrations"
    shutil.copytree(upgrade.SCRIPTS, scripts)
    script = scripts / "versions" / "r9999_next.py"
    script.write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '9999', '{schema.HEAD}'\n"
        "def upgrade():\n"
        "    with op.batch_alter_table('model', recreate='always') as model:\n"
        "        model.add_column(sa.Column('mood', sa.Text))\n"
        "    op.execute(\"UPDATE model SET mood = 'fine'\")\n"
    )
    monkeypatch.setattr(upgrade, "SCRIPTS", scripts)
    ahead = tmp_path / "next.db"
    migrated(new_catalog(ahead)).dispose()
    with contextlib.closing(sqlite3.connect(ahead)) as connection:
        query = "SELECT type, tbl_name, sql FROM sqlite_master WHERE name = 'model'"
        known = known_schema.digest(*connection.execute(query).fetchone())
    ahead.unlink()
    monkeypatch.setitem(known_schema.KNOWN, "model", known_schema.KNOWN["model"] | {known})
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
    monkeypatch.setattr(schema, "HEAD", "9999")
    return script


@pytest.mark.parametrize("write", [False, True])
def test_an_older_catalog_is_upgraded_with_a_copy_beside_it(
    shared: Path, location: Path, next_revision: Path, write: bool
) -> None:
    shutil.copy(shared, location)
    with Catalog.open(location, write=write) as catalog:
        assert len(listings.models(catalog)) == 2
        assert len(list(filters.filters(catalog, parse_address("*"))[1])) == 84
        with catalog.connect() as connection:
            assert connection.scalars(sa.text("SELECT mood FROM model")).all() == ["fine", "fine"]
    [backup] = [path for path in location.parent.iterdir() if path.suffix == ".backup"]
    assert backup.name == f"{location.name}.schema-{schema.REVISIONS[-2]}.backup"
    assert _dump(backup) == _dump(shared)
    Catalog.open(location, write=write).close()
    assert [path for path in location.parent.iterdir() if ".backup" in path.name] == [backup]


@pytest.mark.parametrize("golden", sorted(GOLDEN.iterdir()), ids=lambda path: path.stem)
def test_catalogs_of_every_earlier_revision_are_upgraded(golden: Path, location: Path) -> None:
    shutil.copy(golden, location)
    before = _contents(golden)
    with Catalog.open(location) as catalog:
        assert {row["model"] for row in listings.models(catalog)} == {"classic", "vgg16"}
        found = filters.filters(catalog, parse_address("*"), where="scope = '' and batchnorm is null")[1]
        assert len(list(found)) == 4237
    for table, rows in _contents(location).items():
        if table != schema.version.name:
            old = before.get(table, [])
            assert [{name: row[name] for name in old[0]} for row in rows if old] == old
    assert tables_of(location) == tables_of(new_catalog(location.with_name("new.db")))


def test_what_was_measured_before_is_still_known_of_an_upgraded_catalog(location: Path) -> None:
    shutil.copy(GOLDEN / "0002.db", location)
    basic = ["mean", "std", "min", "max", "l1_norm", "l2_norm", "sparsity"]
    with contextlib.closing(sqlite3.connect(location)) as connection, connection:
        names = json.dumps(["loudness", "separability"])  # of plugins; the second is a column now
        connection.execute("UPDATE model SET extra_metrics = ? WHERE name = 'classic'", (names,))
        connection.execute("""UPDATE filter SET extra = '{"loudness":2.5,"separability":7}'""")
    with Catalog.open(location) as catalog:
        with catalog.connect() as connection:
            query = sa.select(schema.model.c.name, schema.model.c.measured)
            measured = [tuple(row) for row in connection.execute(query)]
        assert measured == [("vgg16", basic), ("classic", [*basic, "loudness"])]
        columns, found = filters.filters(catalog, parse_address("classic"))
        assert columns.count("separability") == 1
        assert {(row["loudness"], row["separability"], row["dead"]) for row in found} == {(2.5, None, None)}


def test_there_is_a_golden_catalog_of_every_earlier_revision() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == list(schema.REVISIONS[:-1])


def test_an_upgrade_that_fails_leaves_the_catalog_as_it_was(
    shared: Path, location: Path, next_revision: Path
) -> None:
    shutil.copy(shared, location)
    next_revision.write_text(next_revision.read_text() + "    op.execute('INSERT INTO nowhere VALUES (1)')\n")
    with pytest.raises(CatalogError, match="nowhere"):
        Catalog.open(location)
    assert _dump(location) == _dump(shared)


def _dump(location: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(location)) as connection:
        return list(connection.iterdump())


def _contents(location: Path) -> dict[str, list[dict[str, object]]]:
    with contextlib.closing(sqlite3.connect(location)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: [dict(r) for r in connection.execute(f"SELECT * FROM {name}")] for (name,) in names}
