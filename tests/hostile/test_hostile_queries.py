"""Queries and conditions from strangers: only what reads is let through, and only for its time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from isolated import Run


@pytest.fixture
def catalog(classic_catalog: Path, tmp_path: Path) -> Path:
    """The classic kernels, in the test's folder."""
    shutil.copyfile(classic_catalog, tmp_path / "catalog.db")
    shutil.copytree(classic_catalog.with_suffix(".store"), tmp_path / "catalog.store")
    return tmp_path / "catalog.db"


def state(folder: Path) -> dict[str, bytes]:
    """Every file but those that SQLite keeps beside a catalog while it is read."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if not path.name.endswith(("-wal", "-shm"))}


WRITES = (
    *("DELETE FROM model", "UPDATE model SET name = 'x'", "DROP TABLE model", "CREATE TABLE t (a)"),
    *("INSERT INTO skipped VALUES (1, 1, 1, 'a', 'b', 'c')", "REPLACE INTO model (id) VALUES (1)"),
    *("CREATE TEMP TABLE t (a)", "CREATE VIEW v AS SELECT 1", "ALTER TABLE model ADD COLUMN x", "REINDEX"),
    *("DELETE FROM model RETURNING *", "WITH d AS (SELECT 1) DELETE FROM model", "EXPLAIN DELETE FROM model"),
    *("VACUUM", "VACUUM INTO 'stolen.db'", "ANALYZE", "BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT s", "ROLLBACK"),
    "CREATE TRIGGER t AFTER INSERT ON model BEGIN DELETE FROM filter; END",
)
SECOND = (
    "SELECT 1; DELETE FROM model",
    "SELECT 1; SELECT 2",
    "SELECT 1;; DROP TABLE model",
    "; DELETE FROM model",
)
ATTACHED = (
    "ATTACH 'other.db' AS o",
    "ATTACH ':memory:' AS o",
    "ATTACH 'file:x?mode=rwc' AS o",
    "DETACH main",
)
PRAGMAS = (
    *(
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 9",
    ),
    *(
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA table_info(model)",
        "SELECT * FROM pragma_database_list",
    ),
)
EXTENSIONS = (
    *(
        "SELECT load_extension('x')",
        "SELECT load_extension('./x.so', 'f')",
        "SELECT fts3_tokenizer('simple')",
    ),
    *(
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('w', 'x')",
        "SELECT edit('x')",
        "CREATE VIRTUAL TABLE v USING fts5(x)",
    ),
)
NONSENSE = (
    "",
    "   ",
    "/* nothing */",
    "/* open",
    "SELEC 1",
    "SELECT",
    "SELECT ?",
    "SELECT * FROM nowhere",
    "SELECT 'open",
)
EATERS = ("SELECT zeroblob(2000000000)", "SELECT hex(zeroblob(500000000))")


@pytest.mark.parametrize(
    "kind", ["WRITES", "SECOND", "ATTACHED", "PRAGMAS", "EXTENSIONS", "NONSENSE", "EATERS"]
)
def test_refused(run: Run, catalog: Path, tmp_path: Path, kind: str) -> None:
    before = state(tmp_path)
    for sql in globals()[kind]:
        run("query", sql).refusal(2)
    assert state(tmp_path) == before


ENDLESS = {
    "count": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "no rows": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0",
    "sorted": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY -i",
    "distinct": "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "growing": "WITH RECURSIVE n(t) AS (SELECT 'x' UNION ALL SELECT t || t FROM n) SELECT length(t) FROM n",
    "product": "SELECT count(*) FROM filter a, filter b, filter c, filter d, filter e, filter f, filter g",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_without_end(run: Run, catalog: Path, tmp_path: Path, kind: str) -> None:
    before = state(tmp_path)
    ran = run("query", ENDLESS[kind], "--timeout", "0.3")
    assert ran.code in (1, 2), ran  # stopped by its time, or by the size of a value
    assert ran.stderr.startswith("error: ") and ran.stderr.count("\n") == 2 and "hint: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.seconds < 20 and ran.peak < 1 << 30
    assert state(tmp_path) == before


def test_rows_without_end_are_streamed_and_stopped(run: Run, catalog: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    rows = run("query", sql, "--limit", "3", "--format", "json").rows
    assert [row["i"] for row in rows] == [1, 2, 3]
    ran = run("query", sql, "--timeout", "0.1", "--format", "ndjson")
    assert ran.code == 1 and "--timeout" in ran.stderr and "Traceback" not in ran.stderr


SINGLE_STEPS = {
    "large values": (
        "WITH RECURSIVE c(x) AS (SELECT zeroblob(60000000) UNION ALL SELECT zeroblob(60000000) FROM c) "
        "SELECT count(*) FROM c"
    ),
    "printf": "SELECT printf('%.*c', 2000000000, 'x')",
    "printf of width": "SELECT printf('%2000000000d', 1) || printf('%.*c', 2000000000, 'x')",
    "instr": (
        "WITH a(a) AS (SELECT replace(hex(zeroblob(4000000)), '0', 'a')) "
        "SELECT instr(a, substr(a, 1, 4000000) || 'b') FROM a"
    ),
    "lists": "SELECT max(length(a.value || b.value)) FROM {0} a, {0} b, {0} c".format(
        "json_each('[' || replace(hex(zeroblob(50000)), '0', '1,') || '1]')"
    ),
}


@pytest.mark.parametrize("kind", SINGLE_STEPS)
def test_no_single_step_outlasts_its_time(run: Run, catalog: Path, tmp_path: Path, kind: str) -> None:
    before = state(tmp_path)
    ran = run("query", SINGLE_STEPS[kind], "--timeout", "0.5", "--max-value", "64MB")
    error, hint = ran.refusal(1)
    assert error == "the query took longer than 0.5 seconds" and "--timeout" in hint
    assert state(tmp_path) == before


LARGE_ROWS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c"
MANY = ", ".join(["zeroblob(1000000)"] * 2000)


def test_memory_is_bounded_by_what_a_row_may_have(run: Run, catalog: Path) -> None:
    few = run("query", "SELECT 1", "--format", "ndjson").fine.peak
    for value, limit in (("zeroblob(1000000)", "20MB"), (", ".join(["zeroblob(1000000)"] * 4), "50MB")):
        sql = LARGE_ROWS.format(value)
        ran = run("query", sql, "--format", "ndjson", "--max-result", limit, "--timeout", "60")
        assert ran.code == 1 and "--max-result" in ran.stderr and ran.stdout.count("\n") > 5, ran.stderr
        assert ran.peak < few + (150 << 20)


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_results_are_bounded_in_every_format(run: Run, catalog: Path, format: str) -> None:
    ran = run("query", LARGE_ROWS.format("x"), "--max-result", "2MB", "--format", format)
    assert ran.code == 1 and ran.stderr.startswith("error: the results have more than 2 MB\nhint: "), ran
    assert "--max-result" in ran.stderr and "--limit" in ran.stderr and ran.peak < 1 << 30


def test_values_rows_and_heaps_that_are_too_large(run: Run, catalog: Path) -> None:
    error, hint = run("query", f"SELECT {MANY}", "--format", "ndjson").refusal(1)
    assert "memory" in error and hint
    for sql in (
        "SELECT randomblob(2000000000)",
        "SELECT replace(hex(zeroblob(400000)), '0', 'aaaaaaaaaa')",
        "WITH RECURSIVE n(t) AS (SELECT 'x' UNION ALL SELECT t || t FROM n) SELECT max(length(t)) FROM n",
        "SELECT json_group_array(b) FROM (SELECT hex(zeroblob(400000)) AS b UNION ALL SELECT 1 UNION ALL "
        "SELECT hex(zeroblob(400000)))",
    ):
        error, hint = run("query", sql).refusal(2)
        assert "has more than 1 MB" in error and "--max-value" in hint


@pytest.mark.parametrize("size", ["", "0", "-1", "much", "1e9", "99 EB", "inf"])
def test_sizes_that_are_none(run: Run, catalog: Path, size: str) -> None:
    for option in ("--max-value", "--max-result"):
        run("query", "SELECT 1", option, size).refusal(2)


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "soon", ""])
def test_times_that_are_none(run: Run, catalog: Path, timeout: str) -> None:
    ran = run("query", "SELECT 1", "--timeout", timeout)
    assert "Traceback" not in ran.stderr and ran.code == 2, ran


NO_CONDITIONS = (
    *(
        "",
        "  ",
        "l2_norm",
        "l2_norm >",
        "> 1",
        "l2_norm > 1 and",
        "l2_norm => 1",
        "(l2_norm > 1",
        "l2_norm > 1)",
    ),
    *(
        "1; DROP TABLE model",
        "l2_norm > 1; DELETE FROM model",
        "l2_norm > 1 -- x",
        "1=1) UNION SELECT * FROM model",
    ),
    *(
        "load_extension('x') = 1",
        "lower(label) = 'a'",
        "mean = (SELECT 1)",
        "no_such_column = 1",
        "mean like 3",
    ),
    *("label = 'open", 'label = "x"', "mean in ()", "mean between 1", "\x1b[2J = 1", "mean = '1'", "💥"),
    *(
        "(" * 5000 + "mean = 1" + ")" * 5000,
        "not " * 5000 + "mean = 1",
        "mean = " + "9" * 50_000,
        "mean = 1 or " * 20_000,
    ),
)


def test_conditions_that_are_none(run: Run, catalog: Path, tmp_path: Path) -> None:
    before = state(tmp_path)
    for condition in NO_CONDITIONS:
        run("filters", "classic", "--where", condition).refusal(2)
    for sort in ("no_such_column", "mean; DROP TABLE model", "-", "mean desc", "\x1b[31m"):
        run("filters", "classic", "--sort", sort).refusal(2)
    assert state(tmp_path) == before


ADDRESSES = (
    "",
    "/",
    "classic//",
    "classic/x/y/z/w",
    "classic/*/9999",
    "classic/*/-1:",
    "classic/*/::0",
    "../classic",
    "classic/*/1e9",
    "classic/*/0:99999999999999999999",
    "[",
    "classic/[a",
    "\x1b[31m",
)


def test_addresses_that_are_none(run: Run, catalog: Path, tmp_path: Path) -> None:
    before = state(tmp_path)
    for address in ADDRESSES:
        ran = run("filters", address)
        if ran.code:  # a slice that goes too far is no mistake
            assert ran.code in (1, 2)
            ran.refusal(ran.code)
    assert state(tmp_path) == before
