"""Free SQL: it can read everything, and do nothing else."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from free_sql import COUNTING, ENDLESS, run

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query
from filterkit.errors import CatalogError, UsageError


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


def test_every_kind_of_value_comes_as_it_is(reading: Catalog) -> None:
    largest = (1 << 63) - 1
    values = f"1e999, -1e999, 0.1, {largest}, -{largest} - 1, 'a' || char(0) || 'ä💥', '', x''"
    [row] = run(reading, f"SELECT {values}")
    assert list(row.values()) == [math.inf, -math.inf, 0.1, largest, -largest - 1, "a\0ä💥", "", ""]
    mixed = "SELECT value FROM json_each('[1, null, 0.5, \"x\", 2, \"é\"]') UNION ALL SELECT x'0aff'"
    assert [row["value"] for row in run(reading, mixed)] == [1, None, 0.5, "x", 2, "é", "0aff"]


def test_names_that_come_again(reading: Catalog) -> None:
    columns, [row] = query(reading, "SELECT 1 AS a, 2 AS a_2, 3 AS a, 4 AS a, 5 AS a_2")
    assert columns == tuple(row) == ("a", "a_2", "a_3", "a_4", "a_2_2")
    columns, rows = query(reading, "SELECT " + ", ".join(["1 AS a"] * 2000))
    assert len(set(columns)) == len(next(rows)) == 2000


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


def test_leaving_early_lets_the_catalog_go(shared: Path, reading: Catalog) -> None:
    _, rows = query(reading, ENDLESS.format("i"))
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    reading.close()
    with Catalog.open(shared, write=True):  # deletes the files of readers that are no longer in use
        pass
    assert sorted(path.name for path in shared.parent.glob("catalog.db*")) == ["catalog.db"]


def test_rows_before_a_failure_come_before_it(reading: Catalog) -> None:
    for sql, options in (
        (COUNTING.format(9000), {"max_result": 72 * 8000}),
        (COUNTING.format(9000).replace("i FROM", "iif(i < 8001, i, json('{')) AS i FROM"), {}),
    ):
        found = 0
        with pytest.raises((CatalogError, UsageError)):
            for found, row in enumerate(query(reading, sql, **options)[1], 1):
                assert row["i"] == found
        assert found in (7999, 8000)  # the next row has been requested when the last one arrives


@pytest.mark.parametrize("size", ["", "many", "0", "-1", "1 XB", "1iB", "1e3", "nan", 0, -5])
def test_limits_that_are_none(reading: Catalog, size: str | int) -> None:
    for option in ("max_value", "max_result"):
        with pytest.raises(UsageError):
            run(reading, "SELECT 1", **{option: size})
    with pytest.raises(UsageError, match="at most"):
        run(reading, "SELECT 1", max_value="2GB")


@pytest.mark.parametrize("timeout", [1e300, math.inf, None, 0])
def test_any_time(reading: Catalog, timeout: float | None) -> None:
    assert run(reading, "SELECT 1 AS n", timeout=timeout) == [{"n": 1}]
