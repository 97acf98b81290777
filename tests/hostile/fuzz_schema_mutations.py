"""Ways to put into a catalog's schema what no filterkit makes."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from typing import Any

from fuzz_row_mutations import rewrite
from fuzz_scene import Scene

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
    "DROP TABLE filterkit_schema; CREATE VIEW filterkit_schema AS SELECT '0007' AS version_num",
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
    with suppress(sqlite3.Error):  # where the schema does not read any more
        rewrite(connection, f"UPDATE sqlite_master SET {column} = ? WHERE name = ?", value, name)
    return f"schema of {name}: {column} = {str(value)[:80]!r}"
