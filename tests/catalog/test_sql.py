"""Free SQL: reads everything, and nothing else."""

from __future__ import annotations

import _thread
import hashlib
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query
from filterkit.errors import CatalogError, UsageError

ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT {} FROM r"


def run(catalog: Catalog, sql: str, **options: Any) -> list[dict[str, Any]]:
    return list(query(catalog, sql, **options)[1])


def test_reads(reading: Catalog) -> None:
    columns, rows = query(reading, "SELECT name, layers FROM model ORDER BY name")
    assert columns == ("name", "layers")
    assert list(rows) == [{"name": "other", "layers": 3}, {"name": "tiny", "layers": 2}]
    assert run(reading, "SELECT count(*) AS n FROM filter JOIN layer ON layer.id = layer_id") == [{"n": 84}]
    assert run(reading, "select value from layer, json_each(kernel_shape) limit 1;") == [{"value": 3}]
    assert run(reading, "EXPLAIN QUERY PLAN SELECT * FROM filter")


def test_rows_hold_what_json_can_hold(reading: Catalog) -> None:
    columns, rows = query(reading, "SELECT 1, 1, x'00ff' AS blob, CAST(x'ff' AS TEXT) AS text, NULL AS none")
    assert columns == ("1", "1_2", "blob", "text", "none")
    assert list(rows) == [{"1": 1, "1_2": 1, "blob": "00ff", "text": "�", "none": None}]


def test_limit(reading: Catalog) -> None:
    assert len(run(reading, "SELECT * FROM filter", limit=3)) == 3
    assert run(reading, ENDLESS.format("i"), limit=2) == [{"i": 1}, {"i": 2}]
    assert run(reading, "SELECT * FROM filter", limit=0) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM model", "UPDATE model SET name = 'x'", "INSERT INTO skipped VALUES (1, 0, '', '', '')",
        "DROP TABLE model", "CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "ALTER TABLE model ADD x",
        "REPLACE INTO model (id) VALUES (1)", "PRAGMA query_only = OFF", "PRAGMA user_version = 3",
        "PRAGMA writable_schema = ON", "PRAGMA journal_mode = DELETE", "ATTACH '/tmp/other.db' AS o",
        "VACUUM", "VACUUM INTO '/tmp/stolen.db'", "BEGIN", "BEGIN IMMEDIATE", "COMMIT", "REINDEX", "ANALYZE",
        "DETACH main", "SAVEPOINT s", "SELECT load_extension('x')", "SELECT fts3_tokenizer('simple')",
        "WITH d AS (SELECT 1) DELETE FROM model", "DELETE FROM model RETURNING *",
        "EXPLAIN DELETE FROM model", "CREATE VIRTUAL TABLE v USING fts5(x)",
        "SELECT 1; DELETE FROM model", "SELECT 1; SELECT 2", "", "  -- nothing", ";", "SELEC 1",
        "SELECT * FROM nowhere", "SELECT wrong FROM model", "SELECT readfile('/etc/passwd')",
        "SELECT zeroblob(100000000)", "SELECT ?", "\0",
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_one_line(shared: Path, reading: Catalog, sql: str) -> None:
    before = hashlib.sha256(shared.read_bytes()).digest()
    with pytest.raises(UsageError) as caught:
        run(reading, sql)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert hashlib.sha256(shared.read_bytes()).digest() == before
    assert not Path("/tmp/stolen.db").exists()


@pytest.mark.parametrize("what", ["i", "count(*)"])
def test_a_query_without_end_is_stopped(reading: Catalog, what: str) -> None:
    with pytest.raises(CatalogError, match=r"longer than 0\.2 seconds") as caught:
        run(reading, ENDLESS.format(what), timeout=0.2)
    assert "--timeout" in str(caught.value.hint)


def test_a_query_that_somebody_stops_is_no_slow_query(reading: Catalog) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
    stop = threading.Timer(0.5, _thread.interrupt_main)
    stop.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(reading, ENDLESS.format("count(*)"), timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)


def test_leaving_early_lets_the_catalog_go(shared: Path, reading: Catalog) -> None:
    _, rows = query(reading, ENDLESS.format("i"))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    reading.close()
    with Catalog.open(shared, write=True):  # takes away what readers leave, where nobody holds it any more
        pass
    assert sorted(path.name for path in shared.parent.glob("catalog.db*")) == ["catalog.db"]
