"""Opening catalogs: new, old, of other programs, read-only, in use."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tiny_models import put, write_model

from filterkit.address import parse_address
from filterkit.catalog import Catalog, filters, listings, schema
from filterkit.catalog.database import catalog_path, store_folder
from filterkit.catalog.migrations import upgrade
from filterkit.catalog.sqlite import known_schema
from filterkit.errors import CatalogError

GOLDEN = Path(__file__).parent / "golden"
"""Catalogs written by earlier revisions, named after them."""


def test_reading_makes_no_file(location: Path) -> None:
    with pytest.raises(CatalogError, match="no catalog") as caught:
        Catalog.open(location)
    assert "filterkit add vgg16" in str(caught.value.hint)
    assert not list(location.parent.iterdir())


def test_writing_makes_one_and_leaves_nothing_beside_it(location: Path) -> None:
    with Catalog.open(location, write=True) as catalog:
        assert listings.models(catalog) == []
    assert list(location.parent.iterdir()) == [location]
    before = location.read_bytes()
    with Catalog.open(location) as catalog:
        assert listings.models(catalog) == []
    assert location.read_bytes() == before
    assert {path.name for path in location.parent.iterdir()} <= {
        location.name + suffix for suffix in ("", "-wal", "-shm")
    }


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalog_path(f"sqlite:///{tmp_path}/my cata'log.db") == tmp_path / "my cata'log.db"
    monkeypatch.chdir(tmp_path)
    assert catalog_path("sqlite:///a.db") == tmp_path / "a.db"
    for url in ("postgresql://user:secret@host/db", "sqlite://", "sqlite:///:memory:", "http://x/catalog.db"):
        with pytest.raises(CatalogError) as caught:
            catalog_path(url)
        assert "secret" not in str(caught.value)


def test_the_store_stands_beside_the_catalog() -> None:
    assert store_folder(Path("/x/catalog.db")) == Path("/x/catalog.store")
    assert store_folder(Path("/x/catalog.db.example")) == Path("/x/catalog.db.example.store")


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("content", [b"no database at all " * 50, b"SQLite format 3\0 but not really" * 40])
def test_what_is_not_sqlite_is_refused_untouched(location: Path, content: bytes, write: bool) -> None:
    location.write_bytes(content)
    with pytest.raises(CatalogError):
        Catalog.open(location, write=write)
    assert location.read_bytes() == content


@pytest.mark.parametrize("write", [False, True])
def test_a_foreign_database_is_refused_untouched(location: Path, write: bool) -> None:
    with contextlib.closing(sqlite3.connect(location)) as foreign:
        foreign.execute("CREATE TABLE model (whatever)")
    before = location.read_bytes()
    with pytest.raises(CatalogError, match="not a filterkit catalog"):
        Catalog.open(location, write=write)
    assert location.read_bytes() == before
    assert list(location.parent.iterdir()) == [location]


def test_a_newer_catalog_is_refused_untouched(location: Path) -> None:
    Catalog.open(location, write=True).close()
    _set_revision(location, "9999")
    before = location.read_bytes()
    for write in (False, True):
        with pytest.raises(CatalogError, match="newer"):
            Catalog.open(location, write=write)
    assert location.read_bytes() == before


def test_an_empty_file_becomes_a_catalog_only_when_written(location: Path) -> None:
    location.touch()
    with pytest.raises(CatalogError, match="empty"):
        Catalog.open(location)
    with Catalog.open(location, write=True) as catalog:
        assert listings.models(catalog) == []


def test_folders_are_no_catalogs(tmp_path: Path) -> None:
    for write in (False, True):
        with pytest.raises(CatalogError, match="not a regular file"):
            Catalog.open(tmp_path, write=write)
    with pytest.raises(CatalogError, match="no folder") as caught:
        Catalog.open(tmp_path / "missing" / "catalog.db", write=True)
    assert "create it first" in str(caught.value.hint)


def test_a_reader_cannot_write(shared: Path) -> None:
    with Catalog.open(shared) as catalog:
        assert not catalog.writable
        with pytest.raises(CatalogError, match="reading only"), catalog.begin():
            pass
        with pytest.raises(CatalogError, match="read-only"), catalog.connect() as connection:
            connection.execute(sa.delete(schema.model))
        assert len(listings.models(catalog)) == 2


def test_a_damaged_catalog_is_named(shared: Path, location: Path) -> None:
    whole = shared.read_bytes()
    location.write_bytes(whole[:4096] + b"\x55" * (len(whole) - 4096))
    with pytest.raises(CatalogError, match="corrupted"), Catalog.open(location) as catalog:
        listings.models(catalog)


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """Drop the superuser's permission to write everywhere."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.name == "nt", reason="read-only means something else there")
def test_reading_works_where_nothing_can_be_written(open_folder: Path) -> None:
    location = open_folder / "catalog.db"
    with Catalog.open(location, write=True) as catalog:  # leaves a database in WAL mode
        put(catalog, write_model(open_folder / "tiny.onnx"))
    location.chmod(0o444)
    open_folder.chmod(0o555)
    try:
        with _as_nobody():
            with Catalog.open(location) as catalog:
                assert [row["model"] for row in listings.models(catalog)] == ["tiny"]
            with pytest.raises(CatalogError, match="read-only"):
                Catalog.open(location, write=True)
            with pytest.raises(CatalogError):
                Catalog.open(open_folder / "new.db", write=True)
    finally:
        open_folder.chmod(0o755)
    assert {path.name for path in open_folder.iterdir()} == {"catalog.db", "catalog.store", "tiny.onnx"}


def test_migrations_make_the_declared_schema(tmp_path: Path) -> None:
    location = tmp_path / "migrated.db"
    engine = _migrated(location)
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
    assert _tables(location) == _tables(_new(tmp_path / "new.db"))


def test_the_newest_migration_is_the_head(tmp_path: Path) -> None:
    location = tmp_path / "migrated.db"
    _migrated(location).dispose()
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
    migrated = tmp_path / "next.db"
    _migrated(_new(migrated)).dispose()
    with contextlib.closing(sqlite3.connect(migrated)) as connection:
        query = "SELECT type, tbl_name, sql FROM sqlite_master WHERE name = 'model'"
        known = known_schema.digest(*connection.execute(query).fetchone())
    migrated.unlink()
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
            kept = [{name: row[name] for name in before[table][0]} for row in rows] if before[table] else []
            assert kept == before[table]
    assert _tables(location) == _tables(_new(location.with_name("new.db")))


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


def test_processes_that_make_a_catalog_at_once_make_one(location: Path) -> None:
    code = f"from filterkit.catalog import Catalog; Catalog.open({str(location)!r}, write=True).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1].decode() for process in processes] == [""] * 4
    with Catalog.open(location) as catalog:
        assert listings.models(catalog) == []


def test_listing_imports_neither_alembic_nor_onnx(shared: Path) -> None:
    code = (
        "import sys; from filterkit.catalog import Catalog, listings\n"
        f"with Catalog.open({str(shared)!r}) as catalog: assert listings.models(catalog)\n"
        "print({'alembic', 'onnx', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def _set_revision(location: Path, revision: str) -> None:
    with contextlib.closing(sqlite3.connect(location, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {schema.version.name} SET version_num = ?", (revision,))


def _migrated(location: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{location}")
    with engine.begin() as connection:
        upgrade.migrate(connection)
    return engine


def _tables(location: Path) -> dict[str, list[str]]:
    """The words of every text of the schema, sorted: constraints may stand in any order, and what was made
    has its name in quotes."""
    with contextlib.closing(sqlite3.connect(location)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {
        name: sorted(sql.replace(",", " ").replace(f'TABLE "{name}"', f"TABLE {name}").split())
        for name, sql in found
    }


def _dump(location: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(location)) as connection:
        return list(connection.iterdump())


def _new(location: Path) -> Path:
    Catalog.open(location, write=True).close()
    return location


def _contents(location: Path) -> dict[str, list[dict[str, object]]]:
    with contextlib.closing(sqlite3.connect(location)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: [dict(r) for r in connection.execute(f"SELECT * FROM {name}")] for (name,) in names}
