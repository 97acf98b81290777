"""Ways to turn the files beside a catalog against its reader: journals, logs, copies, and the file itself."""

from __future__ import annotations

import os
import random
import sqlite3
import struct
from contextlib import closing, suppress
from pathlib import Path

from fuzz_replacements import replace
from fuzz_scene import Scene

SUFFIXES = ("-journal", "-wal", "-shm")
MAGIC = bytes.fromhex("d9d505f920a163d7")
"""Of a rollback journal."""


def logs(scene: Scene, draw: random.Random) -> str:
    """Something in the place of a journal, a write-ahead log, the index of one, or a copy of the catalog."""
    how = draw.randrange(4)
    if how < 2:
        return replace(Path(f"{scene.catalog}{draw.choice(SUFFIXES)}"), scene, draw)
    if how == 2:
        return _backup_places(scene, draw)
    said = []
    for suffix in draw.sample(SUFFIXES, draw.choice((1, 2, 3))):
        content = draw.choice((b"", b"\0", draw.randbytes(40), draw.randbytes(70_000), MAGIC + bytes(1000)))
        Path(f"{scene.catalog}{suffix}").write_bytes(content)
        said.append(f"{suffix} of {len(content)} bytes")
    return ", ".join(said)


def changes(scene: Scene, draw: random.Random) -> str:
    """A journal or a log that changes a sound catalog as soon as it is opened."""
    return draw.choice((_hot_journal, _live_log))(scene, draw)


def journal(database: bytes, changed: bytes, named: bytes = b"") -> bytes:
    """A hot journal that puts `changed` back as page 1 of `database`; `named` is its super-journal."""
    size = struct.unpack_from(">H", database, 16)[0]
    size = 65536 if size == 1 else size or 4096
    page = changed[:size].ljust(size, b"\0")
    check = (1 + sum(page[place] for place in range(size - 200, 0, -200))) & 0xFFFFFFFF
    head = MAGIC + struct.pack(">IIIII", 1, 1, max(len(database) // size, 1), 512, size)
    record = struct.pack(">I", 1) + page + struct.pack(">I", check)
    lock = 0x40000000 // size + 1
    end = (
        struct.pack(">I", lock) + named + struct.pack(">II", len(named), sum(named)) + MAGIC if named else b""
    )
    return head.ljust(512, b"\0") + record + end


def _hot_journal(scene: Scene, draw: random.Random) -> str:
    with suppress(sqlite3.Error), closing(sqlite3.connect(scene.catalog)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    data = scene.catalog.read_bytes()
    named = draw.choice(
        (b"", *(os.fsencode(target) for target in scene.targets), b"diary.txt", b"../outside/diary.txt")
    )
    changed = draw.choice((data[:65536], bytes(65536), data[4096:69632]))
    Path(f"{scene.catalog}-journal").write_bytes(journal(data, changed, named))
    return f"a hot journal that names {named.decode()!r}"


def _live_log(scene: Scene, draw: random.Random) -> str:
    """A log whose checksums hold, with changes that a sound catalog would not have."""
    statement = draw.choice(
        (
            *(
                "DELETE FROM model",
                "UPDATE model SET name = 'x'",
                "CREATE TABLE more (a)",
                "DROP TABLE layer",
            ),
            "UPDATE model SET sha256 = '../../../outside/letters'",
            "CREATE TRIGGER t AFTER INSERT ON model BEGIN DELETE FROM filter; END",
            "UPDATE filter SET mean = 'x'",
        )
    )
    kept: dict[Path, bytes] = {}
    with suppress(sqlite3.Error), closing(sqlite3.connect(scene.catalog, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(statement)
        for suffix in ("", *SUFFIXES):
            path = Path(f"{scene.catalog}{suffix}")
            if path.is_file():
                kept[path] = path.read_bytes()
    for path, content in kept.items():
        data = bytearray(content)
        if path.name.endswith(("-wal", "-shm")) and draw.random() < 0.3 and data:
            data[draw.randrange(len(data))] ^= 0xFF
        if not (path.name.endswith("-shm") and draw.random() < 0.5):
            path.write_bytes(data)
    return f"a log with {statement}"


def _backup_places(scene: Scene, draw: random.Random) -> str:
    """Something where an upgrade would put its copy."""
    name = f"catalog.db.schema-000{draw.choice((1, 2))}.backup"
    return replace(scene.folder / (name + draw.choice(("", "", "-2", *SUFFIXES))), scene, draw)


def whole(scene: Scene, draw: random.Random) -> str:
    """The catalog's file itself is something else."""
    if draw.random() < 0.5:
        return replace(scene.catalog, scene, draw)
    moved = scene.folder / "real.db"
    scene.catalog.rename(moved)
    scene.catalog.symlink_to(moved.name)
    return "catalog.db is a link to another name in its folder"
