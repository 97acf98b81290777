"""Only schemas of a revision are read, however the catalog reached it, and no other objects."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from filterkit.catalog import Catalog, listings, schema
from filterkit.catalog.check import check_database
from filterkit.catalog.migrations import upgrade
from filterkit.catalog.sqlite.known_schema import KNOWN, OBJECTS, digest
from filterkit.errors import CatalogError

GOLDEN = Path(__file__).parents[1] / "golden"

FOREIGN = {
    "trigger 'busy'": "CREATE TRIGGER busy AFTER INSERT ON model BEGIN DELETE FROM filter; END",
    "view 'all_models'": "CREATE VIEW all_models AS SELECT * FROM model",
    "table 'notes'": "CREATE TABLE notes (a)",
    "index 'by_mean'": "CREATE INDEX by_mean ON filter (abs(mean))",
    "table 'virtual'": "CREATE VIRTUAL TABLE virtual USING rtree(id, a, b)",
}

REWRITTEN = {
    "column that is computed": ("macs INTEGER", "macs INTEGER AS (abs(-9))"),
    "check": ("macs INTEGER", "macs INTEGER CHECK (abs(macs) >= 0)"),
    "check at the end": ("CONSTRAINT uq_layer_name", "CHECK (abs(1)), CONSTRAINT uq_layer_name"),
    "default that is computed": ("macs INTEGER", "macs INTEGER DEFAULT (abs(-9))"),
    "collation": ("node TEXT", "node TEXT COLLATE NOCASE"),
    "comment": ("node TEXT", "node /* */ TEXT"),
    "column more": ("node TEXT NOT NULL", "node TEXT NOT NULL, more TEXT"),
}


def execute(location: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(location, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def digests(location: Path) -> dict[str, set[str]]:
    with contextlib.closing(sqlite3.connect(location)) as connection:
        return {name: {digest(kind, table, sql)} for kind, name, table, sql in connection.execute(OBJECTS)}


def migrated(location: Path, revision: str) -> Path:
    engine = sa.create_engine(f"sqlite:///{location}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        upgrade.migrate(connection, revision)
    engine.dispose()
    return location


def test_the_list_is_what_all_revisions_make_and_leave_when_they_upgrade(tmp_path: Path) -> None:
    made = [tmp_path / "new.db"]
    Catalog.open(made[0], write=True).close()
    for golden in sorted(GOLDEN.iterdir()):
        for revision in schema.REVISIONS[schema.REVISIONS.index(golden.stem) :]:
            copy = Path(shutil.copy(golden, tmp_path / f"{golden.stem}-{revision}.db"))
            made.append(migrated(copy, revision))
    found: dict[str, set[str]] = {}
    for location in made:
        for name, each in digests(location).items():
            found.setdefault(name, set()).update(each)
    assert found == {name: set(each) for name, each in KNOWN.items()}


@pytest.mark.parametrize("revision", sorted(path.stem for path in GOLDEN.iterdir()))
def test_the_statistics_of_analyze_are_no_obstacle(tmp_path: Path, revision: str) -> None:
    """Of this revision or an older one, which is upgraded."""
    location = Path(shutil.copy(GOLDEN / f"{revision}.db", tmp_path / "catalog.db"))
    execute(location, "ANALYZE")
    assert "sqlite_stat1" in digests(location)
    for write in (True, False):
        with Catalog.open(location, write=write) as catalog:
            assert len(listings.models(catalog)) > 0
            assert check_database(catalog) == []
    execute(location, "ANALYZE", "PRAGMA optimize")
    Catalog.open(location).close()


@pytest.mark.parametrize("change", ["tbl,idx,stat,more", "tbl,idx,stat COLLATE NOCASE"])
def test_other_tables_with_the_name_of_statistics_are_refused(location: Path, change: str) -> None:
    Catalog.open(location, write=True).close()
    execute(
        location,
        "ANALYZE",
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = 'CREATE TABLE sqlite_stat1({change})' WHERE name = 'sqlite_stat1'",
    )
    with pytest.raises(CatalogError, match=r"table 'sqlite_stat1'|corrupted"):
        Catalog.open(location)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("what", FOREIGN)
def test_what_no_revision_made_is_refused_by_name(location: Path, what: str, write: bool) -> None:
    Catalog.open(location, write=True).close()
    execute(location, FOREIGN[what])
    before = location.read_bytes()
    with pytest.raises(CatalogError, match=what) as caught:
        Catalog.open(location, write=write)
    assert "DROP" in str(caught.value.hint)
    assert location.read_bytes() == before


@pytest.mark.parametrize("what", REWRITTEN)
def test_a_table_whose_sql_is_another_is_refused(location: Path, what: str) -> None:
    Catalog.open(location, write=True).close()
    execute(location, "PRAGMA journal_mode = DELETE")
    old, new = REWRITTEN[what]
    with contextlib.closing(sqlite3.connect(location, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        changed = connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'layer'", (old, new)
        )
        assert changed.rowcount == 1
        [(sql,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'layer'").fetchall()
        assert new in sql
    with pytest.raises(CatalogError, match="table 'layer'"):
        Catalog.open(location)


def test_spaces_quotes_and_the_order_of_constraints_make_no_difference() -> None:
    one = 'CREATE TABLE "t" (\n\ta INTEGER, \n\tb TEXT, CONSTRAINT x UNIQUE (a), CONSTRAINT y UNIQUE (b))'
    other = "create table t (a integer, b text, constraint y unique (b), constraint x unique (a))"
    assert digest("table", "t", one) == digest("table", "t", other)
    assert digest("table", "t", one) != digest(
        "table", "t", other.replace("a integer, b text", "b text, a integer")
    )
    assert digest("table", "t", one) != digest("view", "t", one)


def test_a_view_in_the_place_of_the_revision_is_not_run(location: Path) -> None:
    Catalog.open(location, write=True).close()
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    execute(
        location,
        f"DROP TABLE {schema.version.name}",
        f"CREATE VIEW {schema.version.name} AS SELECT ({endless}) AS version_num",
    )
    with pytest.raises(CatalogError, match=f"view '{schema.version.name}'"):
        Catalog.open(location)


def test_a_catalog_with_several_revisions_is_damaged(location: Path) -> None:
    Catalog.open(location, write=True).close()
    execute(location, f"INSERT INTO {schema.version.name} VALUES ('0001')")
    with pytest.raises(CatalogError, match="2 revisions"):
        Catalog.open(location)


def test_the_example_and_every_golden_catalog_are_read(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "catalog.db.example"
    for number, source in enumerate([example, *GOLDEN.iterdir()]):
        with Catalog.open(shutil.copy(source, tmp_path / f"{number}.db")) as catalog:
            assert listings.models(catalog)
