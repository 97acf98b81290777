"""Ways to turn the rows of a catalog against its reader."""

from __future__ import annotations

import random
import sqlite3
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
