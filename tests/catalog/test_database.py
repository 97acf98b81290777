"""Opening catalogs: new, old, of other programs, read-only, in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tiny_models import put, write_model

from filterkit.catalog import Catalog, listings, schema
from filterkit.catalog.database import catalog_path, store_folder
from filterkit.errors import CatalogError


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


def test_processes_that_make_a_catalog_at_once_make_one(location: Path) -> None:
    code = f"from filterkit.catalog import Catalog; Catalog.open({str(location)!r}, write=True).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1].decode() for process in processes] == [""] * 4
    with Catalog.open(location) as catalog:
        assert listings.models(catalog) == []


def _set_revision(location: Path, revision: str) -> None:
    with contextlib.closing(sqlite3.connect(location, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {schema.version.name} SET version_num = ?", (revision,))
