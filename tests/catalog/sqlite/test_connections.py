"""The files beside a catalog: reading rolls nothing back, and SQLite touches only its own files."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from filterkit.catalog import Catalog, listings
from filterkit.catalog.database import recover, store_folder
from filterkit.catalog.sqlite.connections import JOURNAL_MAGIC, SUFFIXES, beside, connect
from filterkit.cli.support.shared_options import complete_model
from filterkit.errors import CatalogError

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def plain(shared: Path, location: Path) -> Path:
    """A catalog without a write-ahead log."""
    shutil.copy(shared, location)
    with contextlib.closing(sqlite3.connect(location)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return location


def hot_journal(location: Path, names: Path | None = None) -> Path:
    """A journal that restores the first page of a catalog and makes SQLite delete the file that it names."""
    raw = location.read_bytes()
    size = struct.unpack(">H", raw[16:18])[0]
    page = raw[:size]
    checksum = (1 + sum(page[place] for place in range(size - 200, 0, -200))) & 0xFFFFFFFF
    head = (JOURNAL_MAGIC + struct.pack(">IIIII", 1, 1, len(raw) // size, 512, size)).ljust(512, b"\0")
    content = head + struct.pack(">I", 1) + page + struct.pack(">I", checksum)
    if names is not None:
        name = os.fsencode(names)
        content += struct.pack(">I", 0x40000000 // size + 1) + name
        content += struct.pack(">II", len(name), sum(name)) + JOURNAL_MAGIC
    journal = beside(location, "-journal")
    journal.write_bytes(content)
    return journal


def interrupted(location: Path) -> None:
    """The state after a writer without a write-ahead log was killed in a transaction."""
    code = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "connection.execute('UPDATE filter SET mean = 7')\n"
        "connection.execute('UPDATE layer SET node = node || hex(zeroblob(4000))')\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(location)]).returncode == -9


def test_reading_plays_no_journal_back_and_says_what_does(plain: Path, shared: Path) -> None:
    interrupted(plain)
    journal = beside(plain, "-journal")
    before = plain.read_bytes(), journal.read_bytes()
    with pytest.raises(CatalogError, match="was interrupted") as caught:
        Catalog.open(plain)
    assert "filterkit doctor --recover" in str(caught.value.hint)
    assert (plain.read_bytes(), journal.read_bytes()) == before
    Catalog.open(plain, write=True).close()
    assert not journal.exists()
    with Catalog.open(plain) as catalog, Catalog.open(shared) as whole:
        assert listings.models(catalog) == listings.models(whole)
        with catalog.read() as one, whole.read() as other:
            query = "SELECT * FROM filter ORDER BY layer_id, position"
            assert one.execute(query).fetchall() == other.execute(query).fetchall()


@pytest.mark.parametrize("write", [False, True])
def test_a_journal_that_names_a_file_is_never_played_back(plain: Path, tmp_path: Path, write: bool) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("x")
    journal = hot_journal(plain, names=diary)
    before = plain.read_bytes(), journal.read_bytes()
    with pytest.raises(CatalogError, match="names another file" if write else "was interrupted"):
        Catalog.open(plain, write=write)
    assert diary.exists()
    assert (plain.read_bytes(), journal.read_bytes()) == before


def test_that_journal_would_delete_the_file(plain: Path, tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("x")
    hot_journal(plain, names=diary)
    with contextlib.closing(sqlite3.connect(plain)) as connection:
        connection.execute("SELECT count(*) FROM model")
    assert not diary.exists()


def test_a_journal_that_is_empty_is_none(plain: Path) -> None:
    beside(plain, "-journal").touch()
    with Catalog.open(plain) as catalog:
        assert len(listings.models(catalog)) == 2


def link(path: Path, canary: Path) -> None:
    path.symlink_to(canary)


def hard_link(path: Path, canary: Path) -> None:
    path.hardlink_to(canary)


def dangling_link(path: Path, canary: Path) -> None:
    path.symlink_to(canary.with_name("nothing"))


def pipe(path: Path, canary: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, canary: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("put", [link, hard_link, dangling_link, pipe, folder])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_file_of_its_own_is_refused_before_anything_is_opened(
    shared: Path, location: Path, tmp_path: Path, suffix: str, put: Callable[..., None], write: bool
) -> None:
    shutil.copy(shared, location)
    canary = tmp_path / "canary"
    canary.write_bytes(b"canary" * 10_000)
    put(beside(location, suffix), canary)
    before = location.read_bytes()
    with pytest.raises(CatalogError, match=suffix):
        Catalog.open(location, write=write)
    assert canary.read_bytes() == b"canary" * 10_000
    assert location.read_bytes() == before
    assert not canary.with_name("nothing").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_catalog_that_is_a_link_is_refused_with_the_path_to_take(shared: Path, location: Path) -> None:
    location.symlink_to(shared)
    for write in (False, True):
        with pytest.raises(CatalogError, match="is a symbolic link to") as caught:
            Catalog.open(location, write=write)
        assert str(shared) in str(caught.value) and "--catalog" in str(caught.value.hint)


def test_a_catalog_with_a_second_hard_link_is_read_and_not_written(shared: Path, location: Path) -> None:
    shutil.copy(shared, location)
    location.with_name("backup.db").hardlink_to(location)
    with Catalog.open(location) as catalog:
        assert len(listings.models(catalog)) == 2
    with pytest.raises(CatalogError, match="second hard link"):
        Catalog.open(location, write=True)


def test_readers_open_the_file_for_reading_only(shared: Path, location: Path) -> None:
    shutil.copy(shared, location)
    with contextlib.closing(connect(location)) as connection:
        connection.execute("PRAGMA query_only = OFF")  # SQLite itself refuses, whatever is disabled
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM model")
        assert connection.execute("PRAGMA trusted_schema").fetchall() == [(0,)]
        assert connection.execute("PRAGMA cell_size_check").fetchall() == [(1,)]


def test_the_copy_of_an_upgrade_takes_nobodys_place(location: Path, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "0002.db", location)
    wanted = f"{location.name}.schema-0002.backup"
    canary = tmp_path / "elsewhere.db"
    location.with_name(wanted).symlink_to(canary)  # dangling, so the name seems to be free
    beside(location.with_name(f"{wanted}-2"), "-journal").write_bytes(b"planted")
    location.with_name(f"{wanted}-3").write_bytes(b"yours")
    Catalog.open(location).close()
    assert not canary.exists()
    assert location.with_name(f"{wanted}-3").read_bytes() == b"yours"
    assert not location.with_name(f"{wanted}-2").exists()
    with contextlib.closing(sqlite3.connect(location.with_name(f"{wanted}-4"))) as connection:
        assert connection.execute("SELECT version_num FROM filterkit_schema").fetchall() == [("0002",)]


def test_an_upgrade_says_so(
    location: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(GOLDEN / "0002.db", location)
    before = location.read_bytes()
    monkeypatch.setenv("FILTERKIT_CATALOG", str(location))
    assert complete_model("") == []  # pressing Tab upgrades nothing
    assert location.read_bytes() == before and not caplog.messages
    Catalog.open(location).close()
    [message] = caplog.messages
    assert "from schema 0002 to 0007" in message and "0002.backup" in message
    assert complete_model("") == ["vgg16", "classic"]


@pytest.mark.slow
def test_pages_that_lead_a_million_times_to_one_another_end(plain: Path) -> None:
    """A table of some pages, each of which refers to the next one hundreds of times: 10^20 rows to read."""
    with contextlib.closing(sqlite3.connect(plain, isolation_level=None)) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'model'")
        [(size,)] = connection.execute("PRAGMA page_size")
        [(count,)] = connection.execute("PRAGMA page_count")
    data = bytearray(plain.read_bytes())
    leaf = data[(root - 1) * size : root * size]
    deep = 9
    pages = [root, *range(count + 1, count + 1 + deep)]
    data += bytes(deep * size)
    for page, child in pairwise(pages):
        cells = 300
        start = size - 5 * cells
        head = struct.pack(">BHHHBI", 5, 0, cells, start, 0, child)
        pointers = b"".join(struct.pack(">H", start + 5 * number) for number in range(cells))
        body = b"".join(struct.pack(">IB", child, number % 128) for number in range(cells))
        content = (head + pointers).ljust(start, b"\0") + body
        data[(page - 1) * size : page * size] = content
    data[(pages[-1] - 1) * size : pages[-1] * size] = leaf
    data[28:32] = struct.pack(">I", count + deep)
    plain.write_bytes(data)
    for write in (False, True):
        with (
            pytest.raises(CatalogError, match="takes longer than any intact catalog"),
            Catalog.open(plain, write=write) as catalog,
        ):
            listings.models(catalog)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_no_catalog_is_made_beside_a_store_that_is_a_link(location: Path, tmp_path: Path) -> None:
    yours = tmp_path / "yours"
    yours.mkdir()
    store_folder(location).symlink_to(yours)
    with pytest.raises(CatalogError, match="is a symbolic link, and links in a store are not followed"):
        Catalog.open(location, write=True)
    assert not location.exists() and not list(yours.iterdir())


def test_a_journal_that_is_done_with_is_cleared_away(plain: Path) -> None:
    """SQLite leaves a journal that begins with zeros (PRAGMA journal_mode = PERSIST) unchanged."""
    journal = beside(plain, "-journal")
    journal.write_bytes(bytes(1024))
    with pytest.raises(CatalogError, match="was interrupted"):
        Catalog.open(plain)
    recover(plain)
    assert not journal.exists()
    with Catalog.open(plain) as catalog:
        assert len(listings.models(catalog)) == 2
