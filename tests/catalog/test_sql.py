"""Free SQL: it can read everything, and do nothing else."""

from __future__ import annotations

import _thread
import hashlib
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query
from filterkit.catalog.sqlite import sql_process
from filterkit.catalog.sqlite.sql_worker import HEAP
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
    with Catalog.open(shared, write=True):  # deletes the files of readers that are no longer in use
        pass
    assert sorted(path.name for path in shared.parent.glob("catalog.db*")) == ["catalog.db"]


COUNTING = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r LIMIT {}) SELECT i FROM r"
LONG = "replace(hex(zeroblob(499999)), '0', 'a')"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT instr({LONG}, substr({LONG}, 1, 499999) || 'b')",
        "SELECT printf('%.*c', 2000000000, 'x')",
        "SELECT count(*) FROM (SELECT 1 FROM filter a, filter b, filter c, filter d, filter e, filter f)",
        ENDLESS.format("group_concat(i)"),
        ENDLESS.format("json_group_array(i)"),
    ],
)
def test_single_steps_of_any_length_are_stopped(reading: Catalog, sql: str) -> None:
    with pytest.raises(CatalogError, match=r"longer than 0\.2 seconds"):
        run(reading, sql, timeout=0.2)


def test_so_is_what_the_schema_of_a_catalog_hides(tmp_path: Path, shared: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(shared.read_bytes())
    with Catalog.open(path) as catalog:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE VIEW hidden AS " + ENDLESS.format("count(*)"))
        connection.close()
        with pytest.raises(CatalogError, match=r"longer than 0\.2"):
            run(catalog, "SELECT * FROM hidden", timeout=0.2)


def test_a_slow_reader_takes_no_time_of_the_query(reading: Catalog) -> None:
    found = 0
    for row in query(reading, COUNTING.format(20_000), timeout=2.0)[1]:
        found += 1
        assert row["i"] == found
        if found in (1, 9_000):
            time.sleep(2.1)
    assert found == 20_000


@pytest.mark.parametrize("value", ["zeroblob({})", "CAST(zeroblob({}) AS TEXT)"])
def test_one_value_has_a_limit(reading: Catalog, value: str) -> None:
    for limits, most in (({}, 1_000_000), ({"max_value": "2 MiB"}, 2 << 20), ({"max_value": 5000}, 5000)):
        sql = f"SELECT {value} AS value UNION ALL SELECT 'short'"
        rows = run(reading, sql.format(most), **limits)
        assert [len(row["value"]) for row in rows] == [most * (1 if "TEXT" in value else 2), 5]
        with pytest.raises(UsageError, match="has more than") as caught:
            run(reading, f"SELECT length({value.format(most + 1)} || '')", **limits)
        assert "--max-value" in str(caught.value.hint)
    assert len(run(reading, "SELECT zeroblob(3000000) AS value", max_value=None)[0]["value"]) == 6_000_000


def test_all_rows_together_have_a_limit(reading: Catalog) -> None:
    for sql, size in ((COUNTING, 72), ("SELECT 'abc', x'00' FROM (" + COUNTING + ")", 64 + 8 + 3 + 8 + 2)):
        for rows in (1, 3, 5000):
            assert len(run(reading, sql.format(rows), max_result=rows * size)) == rows
            found: list[dict[str, Any]] = []
            with pytest.raises(CatalogError, match="results have more than") as caught:
                found.extend(iter(query(reading, sql.format(rows + 1), max_result=rows * size)[1]))
            assert "--max-result" in str(caught.value.hint) and "--limit" in str(caught.value.hint)
    assert len(run(reading, COUNTING.format(5000), max_result=None)) == 5000


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


def test_a_row_has_a_limit(reading: Catalog) -> None:
    blobs = "zeroblob(1000000), " * 4
    assert len(run(reading, f"SELECT {blobs} zeroblob(999000)")) == 1
    for more in (2, 1990):
        with pytest.raises(CatalogError, match=r"a row has more than|more memory"):
            run(reading, f"SELECT {blobs} {'zeroblob(1000000), ' * more} 1")


def test_names_have_a_limit(reading: Catalog) -> None:
    name = "n" * 10_000
    assert len(query(reading, f"SELECT {'*, ' * 90} 1 FROM (SELECT 1 AS {name})")[0]) == 91
    with pytest.raises(UsageError, match="names of the columns"):
        run(reading, f"SELECT {'*, ' * 101} 1 FROM (SELECT 1 AS {name})")


def test_statements_have_a_limit(reading: Catalog) -> None:
    assert run(reading, "SELECT 1 AS n".ljust(1_000_000)) == [{"n": 1}]
    with pytest.raises(UsageError, match="1 MB is allowed"):
        run(reading, "SELECT 1 AS n".ljust(1_000_001))
    for sql in (f"SELECT {'(' * 5000}1{')' * 5000}", f"SELECT {'1 + ' * 5000} 1", "SELECT '\udcff'"):
        with pytest.raises(UsageError):
            run(reading, sql)


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


@pytest.mark.parametrize("sql", ["SELECT json('{')", "SELECT value FROM json_each('[1,')"])
def test_malformed_json_is_the_querys_fault(reading: Catalog, sql: str) -> None:
    with pytest.raises(UsageError, match="malformed JSON") as caught:
        run(reading, sql)
    assert "json_valid" in str(caught.value.hint)


def test_a_large_catalog_can_be_sorted_in_files(reading: Catalog) -> None:
    rows = HEAP // 900_000 + 100
    sql = f"SELECT i, randomblob(900000) AS large FROM ({COUNTING.format(rows)}) ORDER BY -i"
    [row] = run(reading, sql, timeout=300, limit=1)
    assert row["i"] == rows


def children(process: int | None = None) -> list[int]:
    """The children of `process`, or of this one, that were not waited for."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == (process or os.getpid()):
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("how", ["closed", "forgotten", "never begun", "read", "failed"])
def test_no_process_is_left(reading: Catalog, how: str) -> None:
    before = set(children())
    columns, rows = query(reading, ENDLESS.format("i"), limit=5000 if how == "read" else None, timeout=60)
    assert columns == ("i",) and len(set(children()) - before) == 1
    if how == "closed":
        next(rows)
        rows.close()  # type: ignore[attr-defined]
    elif how == "read":
        assert len(list(rows)) == 5000
    elif how == "failed":
        with pytest.raises(UsageError):
            query(reading, "SELECT nothing")
    if how == "forgotten":
        next(rows)
    if how in ("forgotten", "never begun", "failed"):
        del rows
    assert set(children()) == before


SCRIPT = """
import sys
import filterkit

with filterkit.open(sys.argv[1]) as bench:
    sql = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i FROM r"
    bench.iter_query(sql)
    rows = bench.iter_query(sql)[1]
    next(rows)
    assert len(bench.query(sql, limit=10)) == 10
    left = bench.iter_query(sql)[1]
    next(left)
    print("ready", flush=True)
    if len(sys.argv) > 2:
        bench.query("SELECT count(*) FROM (" + sql + ")", timeout=None)
"""


def test_nothing_is_left_open(shared: Path) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", SCRIPT, str(shared)]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ready\n", "")


def test_queries_end_with_the_process_that_asks(shared: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(shared), "on"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None and asking.stdout.readline() == b"ready\n"
        left = time.monotonic() + 60
        while len(workers := children(asking.pid)) < 3 and time.monotonic() < left:
            time.sleep(0.01)
        assert len(workers) == 3
        asking.kill()
    while any(Path(f"/proc/{each}/cmdline").exists() and is_worker(each) for each in workers):
        assert time.monotonic() < left
        time.sleep(0.01)


def is_worker(process: int) -> bool:
    try:
        return b"sql_worker" in Path(f"/proc/{process}/cmdline").read_bytes()  # empty once it has ended
    except OSError:
        return False


def test_many_at_once(reading: Catalog) -> None:
    def count(number: int) -> int:
        return len(run(reading, COUNTING.format(number), timeout=60))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(4000, 4024))) == list(range(4000, 4024))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_in_a_fork(reading: Catalog) -> None:
    _, rows = query(reading, COUNTING.format(20_000), timeout=60)
    next(rows)
    fork = os.fork()
    if fork == 0:
        code = 1
        try:
            rows.close()  # type: ignore[attr-defined]
            code = 0 if len(run(reading, COUNTING.format(5000))) == 5000 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert len(list(rows)) == 19_999


NONSENSE = {
    "silence": "",
    "a crash": "os.abort()",
    "an exit": "os._exit(7)",
    "text": "say(b'hello, this is no frame')",
    "too much": "frame(0); say(struct.pack('<BQ', 1, 1 << 60))",
    "a cut frame": "frame(0); say(struct.pack('<BQ', 1, 100) + b'x')",
    "another frame": "frame(0); frame(3)",
    "no columns": "frame(0); frame(1)",
    "many columns": "frame(0); frame(1, struct.pack('<Q', 1 << 60) + bytes([4]))",
    "many rows": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 4_000_000_000, 1) + bytes([4]))",
    "too few rows": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 9) + bytes([0]) + bytes(8))",
    "no kind": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 9) + bytes([9]) + bytes(8))",
    "no kinds": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 4) + bytes([5, 9, 9, 9]))",
    "no failure": "frame(0); frame(4)",
    "no such failure": "frame(0); frame(4, bytes([99, 255, 255, 255, 255]) + b'x' * 10000)",
    "rows without end": (
        "frame(0); names()\n"
        "row = bytes([2]) + struct.pack('<Q', 10**5) + bytes(10**5)\n"
        "while True: frame(2, struct.pack('<dIQ', -5.0, 1, len(row)) + row)"
    ),
}
FALSE_WORKER = """
import os, struct, sys
def say(data): os.write(1, data)
def frame(kind, data=b""):
    sys.stdout.buffer.write(struct.pack("<BQ", kind, len(data)) + data)
    sys.stdout.flush()
def names(): frame(1, struct.pack("<QB", 1, 2) + struct.pack("<Q", 1) + b"n")
"""


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_process_that_was_taken_over_says_nothing_that_harms(
    reading: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(FALSE_WORKER + NONSENSE[kind])
    monkeypatch.setattr(sql_process, "WORKER", worker)
    with pytest.raises((CatalogError, UsageError)) as caught:
        run(reading, "SELECT 1", timeout=60, max_result="5MB")
    assert caught.value.hint and len(caught.value.message) < 500
