"""Ways to damage a catalog's database, or to turn it against its reader: in its rows, its schema and its bytes."""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any

from fuzz_scene import Scene

DEEP = 100_000
LONG = 10_000_000

NUMBERS: tuple[Any, ...] = (
    *(
        0,
        1,
        -1,
        2,
        3,
        1000,
        2**31,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        0.5,
        -0.0,
        1e308,
        float("inf"),
        -float("inf"),
    ),
    *(None, "", "x", "1", "nan", "1e999", b"", b"\x01"),
)
TEXTS: tuple[Any, ...] = (
    *(
        "",
        " ",
        "x",
        "/",
        "a/b",
        ".",
        "..",
        "*",
        "../../x",
        "a\0b",
        "\x1b[2J\x1b[31mred",
        "line\nbreak",
        "\u202e",
        "\x85",
    ),
    *(
        "é" * 300,
        "w" * 10_000,
        "CON",
        "%s",
        "a" * 64,
        "0" * 63,
        "G" * 64,
        "-o",
        "[",
        "0:2",
        "--help",
        "$(id)",
        "😀",
    ),
    *(
        None,
        0,
        -1,
        2**63 - 1,
        0.5,
        float("inf"),
        b"",
        b"\xff\xfe",
        b"x" * 100,
        "NOTSET",
        "relu",
        "Conv",
        "float32",
    ),
)
LISTS: tuple[Any, ...] = (
    *(
        "[]",
        "{}",
        "null",
        "1",
        "-1",
        '"x"',
        "true",
        "[1",
        "[null]",
        "[[]]",
        "[0,0]",
        "[-1,-1]",
        "[3]",
        "[3,3,3]",
    ),
    *(
        "[1e999,1]",
        "[9223372036854775808,1]",
        "[9223372036854775807,2]",
        "NaN",
        "[NaN,1]",
        '["a","b"]',
        '[0.5,"x"]',
    ),
    *(
        '{"a":{}}',
        '{"a":1,"a":2}',
        '["\\u0000","\\ud800"]',
        '["a/b","..","\\u001b[31m"]',
        "[true,false]",
        "",
        "x",
    ),
    *(
        '{"core":{}}',
        '{"core":{"version":1,"made_by":"x"}}',
        '{"x":{"version":"1","made_by":[1]}}',
        '["spread","spread"]',
    ),
    *("[" * DEEP, "[" * DEEP + "]" * DEEP, "[" + "1," * 50_000 + "1]", '["\\"x\\"","a\'b","mean","address"]'),
    *(
        None,
        0,
        1.5,
        b"[]",
        b"\xff",
        "[3,3] ",
        "[2147483648,2147483648]",
        '{"spread":"\\ud800"}',
        '{"spread":[1]}',
    ),
)
UNREADABLE = "CAST(x'61ff62' AS TEXT)"
"""SQL for a text that is not UTF-8."""


def rows(scene: Scene, draw: random.Random) -> str:
    """Set columns to what no filterkit writes there, or make rows that belong to nothing."""
    with closing(sqlite3.connect(scene.catalog, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        said = [_one_row(connection, scene, draw) for _ in range(draw.choice((1, 1, 1, 2, 4)))]
    return "; ".join(said)


def _one_row(connection: sqlite3.Connection, scene: Scene, draw: random.Random) -> str:
    how = draw.randrange(12)
    if how < 9:
        return _set(connection, scene, draw)
    statements = (
        *(
            "DELETE FROM model WHERE id = (SELECT min(id) FROM model)",
            "DELETE FROM model",
            "DELETE FROM layer",
        ),
        *("DELETE FROM filter WHERE position % 2", "DELETE FROM filter", "DELETE FROM filterkit_schema"),
        *("INSERT INTO filterkit_schema VALUES ('0001')", "INSERT INTO filterkit_schema VALUES ('9999')"),
        *(
            "UPDATE layer SET model_id = 999",
            "UPDATE layer SET model_id = -id",
            "UPDATE filter SET layer_id = -layer_id",
        ),
        *(
            "UPDATE model SET id = -id",
            "UPDATE layer SET id = 9223372036854775807 - id",
            "UPDATE layer SET model_id = id",
        ),
        *("UPDATE filter SET position = position + 1000000", "UPDATE filter SET position = -position"),
        *(
            "UPDATE layer SET position = -position",
            "UPDATE layer SET filters = filters + 1",
            "UPDATE layer SET kernels = 1",
        ),
        "UPDATE layer SET filters = 2000000000, kernels = 2000000000",
        "INSERT OR IGNORE INTO skipped SELECT id, -1, 'x', 'y', 'z' FROM model",
        "INSERT OR IGNORE INTO filter (layer_id, position) SELECT id, 1 << 40 FROM layer",
        "INSERT OR IGNORE INTO filter (layer_id, position) SELECT 12345, position FROM filter",
        "UPDATE model SET sha256 = banks_sha256, banks_sha256 = sha256",
        "UPDATE model SET banks_sha256 = (SELECT max(banks_sha256) FROM model)",
        "UPDATE model SET sha256 = (SELECT max(sha256) FROM model)",
        "UPDATE layer SET name = replace(name, 'conv', '../conv')",
        "UPDATE model SET name = name || char(10) || 'error: x'",
        "UPDATE model SET name = 'a/' || name",
    )
    statement = draw.choice(statements)
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        return f"{statement} ({error})"
    return statement


def _set(connection: sqlite3.Connection, scene: Scene, draw: random.Random) -> str:
    table = draw.choice(
        ("model", "model", "model", "layer", "layer", "layer", "filter", "skipped", "filterkit_schema")
    )
    columns = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
    column, kind = draw.choice(columns)
    if column in ("sha256", "banks_sha256"):
        outside = scene.outside / "templates"
        values: tuple[Any, ...] = (
            *(TEXTS, *(f"../../../outside/templates/{name}" for name in ("model", "bank")))[1:],
            *(
                str(outside / "model"),
                str(outside / "bank"),
                "..",
                "../..",
                "../models",
                "",
                ".",
                None,
                0,
                b"x",
            ),
            *("A" * 64, "0" * 64, "a" * 63, "a" * 65, "/", "../../../outside/letters", "x\0y", "w" * 5000),
        )
    else:
        values = {"JSON": LISTS, "TEXT": TEXTS}.get(kind, NUMBERS)
        values = draw.choice((values, values, values, NUMBERS + TEXTS + LISTS))
    value = draw.choice(values)
    sql, shown = "?", repr(value)
    if draw.random() < 0.04:
        sql, value, shown = UNREADABLE, None, UNREADABLE
    elif draw.random() < 0.02:
        value, shown = "w" * LONG, "ten million letters"
    which = "" if draw.random() < 0.5 else f" WHERE rowid = (SELECT min(rowid) FROM {table})"
    if table in ("filter", "skipped") and which:
        which = " WHERE position = 0"
    said = f"{table}.{column} = {shown[:60]}{which}"
    try:
        with _loosened(connection, table):
            connection.execute(f"UPDATE {table} SET {column} = {sql}{which}", () if sql != "?" else (value,))
    except (sqlite3.Error, UnicodeEncodeError) as error:
        return f"{said} ({error})"
    return said


class _loosened:
    """Columns of a table take NULL meanwhile; afterwards the schema is what it was."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        self._connection, self._table = connection, table

    def __enter__(self) -> None:
        [(self._sql,)] = self._connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", (self._table,)
        )
        self._write(self._sql.replace(" NOT NULL", ""))

    def __exit__(self, *_: object) -> None:
        self._write(self._sql)

    def _write(self, sql: str) -> None:
        rewrite(self._connection, "UPDATE sqlite_master SET sql = ? WHERE name = ?", sql, self._table)


def rewrite(connection: sqlite3.Connection, sql: str, *values: object) -> None:
    """Change the schema behind SQLite's back, and have this connection read it again."""
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False) if hasattr(
        connection, "setconfig"
    ) else None
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(sql, values)
    connection.execute("PRAGMA writable_schema = RESET")


ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)"
HUGE = "(SELECT length(hex(zeroblob(900000000))))"

SCHEMATA: tuple[str, ...] = (
    "CREATE TRIGGER t AFTER INSERT ON model BEGIN UPDATE model SET sha256 = '../../../outside/letters'; END",
    "CREATE TRIGGER t AFTER DELETE ON model BEGIN UPDATE model SET sha256 = 'x', banks_sha256 = 'y'; END",
    f"CREATE TRIGGER t BEFORE INSERT ON layer BEGIN SELECT {ENDLESS}; END",
    "CREATE TRIGGER t AFTER INSERT ON filter BEGIN DELETE FROM model; END",
    "CREATE TRIGGER t AFTER UPDATE ON filter BEGIN SELECT raise(ABORT, 'gotcha'); END",
    "CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
    "CREATE TABLE extra (a)",
    "CREATE TABLE 'a\x1b[31mb\nc' (a)",
    "CREATE TABLE 'sqlite-like' (a); CREATE INDEX 'ix\nnew' ON 'sqlite-like' (a)",
    "CREATE INDEX i ON model (name)",
    "CREATE INDEX i ON filter (abs(mean))",
    "CREATE INDEX i ON model (name) WHERE json_valid(plugins)",
    "CREATE UNIQUE INDEX i ON layer (op, position, model_id)",
    "CREATE VIEW extra AS SELECT * FROM model",
    f"CREATE VIEW extra AS SELECT {ENDLESS} AS n",
    "ALTER TABLE model ADD COLUMN more TEXT",
    f"ALTER TABLE model ADD COLUMN more AS {HUGE.replace('SELECT', '').strip()}",
    "ALTER TABLE model ADD COLUMN more TEXT AS (hex(zeroblob(400000000)))",
    "ALTER TABLE layer ADD COLUMN more AS (json_extract(pads, '$'))",
    "ALTER TABLE filter ADD COLUMN more REAL CHECK (more > 0)",
    "ALTER TABLE model RENAME COLUMN ref TO reference",
    "ALTER TABLE model DROP COLUMN license",
    "DROP TABLE skipped",
    "DROP TABLE filter",
    "DROP TABLE layer",
    "DROP TABLE model",
    "DROP INDEX ix_filter_classic_type",
    "DROP TABLE filterkit_schema",
    "DROP TABLE filterkit_schema; CREATE VIEW filterkit_schema AS SELECT '0003' AS version_num",
    f"DROP TABLE filterkit_schema; CREATE VIEW filterkit_schema AS SELECT {ENDLESS} AS version_num",
    "ANALYZE",
    "ANALYZE; UPDATE sqlite_stat1 SET stat = '-1 x 99999999999999999999'",
    "ANALYZE; DELETE FROM sqlite_stat1; INSERT INTO sqlite_stat1 VALUES ('model', NULL, x'ff')",
    "PRAGMA user_version = -1; PRAGMA application_id = 252006675",
    "CREATE VIRTUAL TABLE extra USING fts5(a)",
    "CREATE VIRTUAL TABLE extra USING rtree(a, b, c)",
    *(
        f"ALTER TABLE {table} RENAME TO hidden; CREATE VIEW {table} AS SELECT * FROM hidden{which}"
        for table in ("model", "layer", "filter", "skipped")
        for which in ("", f" WHERE {ENDLESS} > 0", f" WHERE {HUGE} > 0", " UNION ALL SELECT * FROM hidden")
    ),
)

SCHEMA_TEXTS: tuple[tuple[str, str], ...] = (
    *(
        ("INTEGER NOT NULL", "TEXT NOT NULL"),
        ("TEXT NOT NULL", "BLOB NOT NULL"),
        ("REAL", "TEXT"),
        ("JSON", "INTEGER"),
    ),
    *(
        (" NOT NULL", ""),
        ("TEXT", "TEXT COLLATE NOCASE"),
        ("TEXT", "TEXT COLLATE MISSING"),
        ("WITHOUT ROWID", ""),
    ),
    *(
        ("UNIQUE (name)", "CHECK (length(name) > length(hex(zeroblob(100000000))))"),
        ("ON DELETE CASCADE", ""),
    ),
    *(
        ("CREATE TABLE", "CREATE TEMP TABLE"),
        (")", ""),
        ("CREATE TABLE", "CREATE VIRTUAL TABLE"),
        ("name TEXT", "nom TEXT"),
    ),
    *(
        ("DEFAULT", "DEFAULT (abs(1)) --"),
        ("NOT NULL", f"NOT NULL DEFAULT ({'(' * 900}1{')' * 900})"),
        ("FOREIGN", "X"),
    ),
    *(
        ("REFERENCES model (id)", "REFERENCES layer (id)"),
        ("name TEXT NOT NULL", "name TEXT AS (sha256) NOT NULL"),
    ),
)


def schema(scene: Scene, draw: random.Random) -> str:
    """Put in what no revision of filterkit makes, or change what all make."""
    with closing(sqlite3.connect(scene.catalog, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA legacy_alter_table = ON")
        try:
            if draw.random() < 0.6:
                said = draw.choice(SCHEMATA)
                connection.executescript(said)
                return said
            return _rewritten(connection, draw)
        except sqlite3.Error as error:
            return f"nothing, as {error}"


def _rewritten(connection: sqlite3.Connection, draw: random.Random) -> str:
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql NOT NULL ORDER BY 1")
    ]
    name, how = draw.choice(names), draw.randrange(6)
    if how < 2:
        old, new = draw.choice(SCHEMA_TEXTS)
        count = draw.choice((1, -1))
        [(sql,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,))
        changes: tuple[str, Any] = ("sql", sql.replace(old, new, count))
    elif how == 2:
        changes = ("rootpage", draw.choice((0, 1, 2, 3, 5, 99999, -1, 2**31, None, "x")))
    elif how == 3:
        changes = ("type", draw.choice(("table", "index", "view", "trigger", "", None, b"x")))
    elif how == 4:
        changes = draw.choice(
            (("name", "model"), ("tbl_name", "model"), ("name", None), ("name", "\x1b[31m"))
        )
    else:
        word = draw.choice(
            (
                "",
                None,
                "SELECT 1",
                "CREATE TABLE x (a)",
                f"CREATE VIEW {name} AS SELECT 1",
                "\xff",
                b"\xff",
                "x" * 10**6,
            )
        )
        changes = ("sql", word)
    column, value = changes
    try:
        rewrite(connection, f"UPDATE sqlite_master SET {column} = ? WHERE name = ?", value, name)
    except sqlite3.Error:
        pass  # the schema does not read any more
    return f"schema of {name}: {column} = {str(value)[:80]!r}"


def spoil(scene: Scene, draw: random.Random) -> str:
    """Damage the file as a disk may, or as somebody would who knows its format."""
    data = bytearray(scene.catalog.read_bytes())
    size = struct.unpack_from(">H", data, 16)[0] or 4096
    said = [draw.choice(BYTES)(data, size, draw) for _ in range(draw.choice((1, 1, 2, 5)))]
    scene.catalog.write_bytes(data)
    return "; ".join(said)


def _flip(data: bytearray, size: int, draw: random.Random) -> str:
    place = draw.randrange(len(data)) if data else 0
    for where in range(place, min(place + draw.choice((1, 1, 4, 100)), len(data))):
        data[where] = draw.choice((0, 0xFF, 0x7F, draw.randrange(256)))
    return f"bytes from {place}"


def _cut(data: bytearray, size: int, draw: random.Random) -> str:
    place = draw.choice((0, 1, 50, 100, size, size + 1, draw.randrange(len(data) + 1)))
    del data[place:]
    return f"cut at {place}"


def _page(data: bytearray, size: int, draw: random.Random) -> str:
    first, second = (draw.randrange(max(len(data) // size, 1)) * size for _ in range(2))
    what = draw.choice((bytes(size), draw.randbytes(size), bytes(data[second : second + size])))
    data[first : first + size] = what
    return f"page at {first}"


def _header(data: bytearray, size: int, draw: random.Random) -> str:
    places = {16: ">H", 18: "B", 19: "B", 20: "B", 21: "B", 28: ">I", 32: ">I", 36: ">I", 40: ">I", 44: ">I"}
    places |= {52: ">I", 56: ">I", 60: ">I", 64: ">I", 92: ">I", 96: ">I"}
    place = draw.choice(list(places))
    form = places[place]
    value = draw.choice((0, 1, 2, 3, 4, 5, 255, 512, 65535, 2**31, 2**32 - 1)) & (
        256 ** struct.calcsize(form) - 1
    )
    if len(data) >= 100:
        struct.pack_into(form, data, place, value)
    return f"header at {place} = {value}"


def _tree(data: bytearray, size: int, draw: random.Random) -> str:
    """Pages that lead to each other, to themselves, or many times to the same one."""
    pages = len(data) // size
    if pages < 4:
        return "nothing"
    chosen = draw.sample(range(2, pages + 1), min(draw.choice((1, 2, 3, 8)), pages - 1))
    kind = draw.choice((2, 5))
    for number, page in enumerate(chosen):
        child = draw.choice((page, chosen[(number + 1) % len(chosen)], draw.randrange(1, pages + 1)))
        start = (page - 1) * size
        count = draw.choice((1, 3, 200, 400))
        content = bytearray(size)
        at = size
        cells = []
        for key in range(count):
            cell = struct.pack(">I", child) + (b"\x03\x02\x01\x01" if kind == 2 else bytes([key & 0x7F]))
            if at - len(cell) < 12 + 2 * count:
                break
            at -= len(cell)
            content[at : at + len(cell)] = cell
            cells.append(at)
        struct.pack_into(">BHHHBI", content, 0, kind, 0, len(cells), at, 0, child)
        struct.pack_into(f">{len(cells)}H", content, 12, *cells)
        data[start : start + size] = content
    return f"pages {chosen} in a circle"


def _freelist(data: bytearray, size: int, draw: random.Random) -> str:
    pages = len(data) // size
    if pages < 3:
        return "nothing"
    page = draw.randrange(2, pages + 1)
    struct.pack_into(">II", data, 32, page, draw.choice((1, 5, 2**31)))
    leaves = draw.choice((0, 3, size // 4, 2**31))
    struct.pack_into(">II", data, (page - 1) * size, draw.choice((page, 0, 2**31)), leaves)
    return f"freelist at page {page}"


BYTES: tuple[Callable[[bytearray, int, random.Random], str], ...] = (
    *(_flip, _flip, _flip, _cut, _page, _page, _header, _header, _tree, _tree, _freelist),
)
