"""``filterkit query``: read-only SQL."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Run

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(autouse=True)
def _catalog(classic: Path) -> None:
    pass


def test_the_docs_example(run: Run) -> None:
    sql = "select name, receptive_field, macs from layer order by receptive_field desc, name"
    rows = run("query", sql, "--format", "json").rows
    assert len(rows) == 13
    assert list(rows[0]) == ["name", "receptive_field", "macs"]
    assert rows[0]["receptive_field"] == 5
    assert len(run("query", sql, "--limit", "2", "--format", "json").rows) == 2


def test_lists_are_json_that_sql_can_read(run: Run) -> None:
    sql = "select l.name, k.value as height from layer l, json_each(l.kernel_shape) k where k.key = 0"
    rows = run("query", sql, "--format", "json").rows
    assert {row["name"]: row["height"] for row in rows}["blur_gaussian_5"] == 5


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM model",
        "INSERT INTO model (name) VALUES ('x')",
        "UPDATE filter SET bias = 0",
        "DROP TABLE layer",
        "CREATE TEMP TABLE t (a)",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "PRAGMA query_only = 0",
        "VACUUM INTO 'copy.db'",
        "SELECT 1; DELETE FROM model",
        "WITH gone AS (SELECT 1) DELETE FROM model",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "SELECT * FROM mode",
        "SELEC 1",
        "",
        "/* nothing */",
    ],
)
def test_all_but_one_select_is_refused(run: Run, tmp_path: Path, sql: str) -> None:
    before = hashlib.sha256(Path("catalog.db").read_bytes()).hexdigest()
    code, _, hint = run("query", sql).failure
    assert code == 2
    assert hint
    assert hashlib.sha256(Path("catalog.db").read_bytes()).hexdigest() == before
    assert not {path.name for path in tmp_path.iterdir()} & {"other.db", "copy.db", "x"}


def test_a_query_has_its_time(run: Run) -> None:
    code, error, hint = run("query", ENDLESS, "--timeout", "0.05").failure
    assert code == 1
    assert "0.05 seconds" in error
    assert "--timeout" in hint


@pytest.mark.parametrize("sql", ["SELECT json('{')", "SELECT * FROM json_each('[1,')"])
def test_malformed_json_is_no_damaged_catalog(run: Run, sql: str) -> None:
    code, error, hint = run("query", sql).failure
    assert code == 2
    assert "malformed JSON" in error
    assert "json_valid" in hint


def test_larger_values_where_asked(run: Run) -> None:
    sql = "SELECT length(hex(zeroblob(1000000))) AS n"
    code, error, hint = run("query", sql).failure
    assert code == 2
    assert "more than 1 MB" in error
    assert "--max-value" in hint
    assert run("query", sql, "--max-value", "3MB", "--format", "json").rows == [{"n": 2_000_000}]


def test_results_are_bounded(run: Run) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT i FROM n"
    assert len(run("query", sql, "--max-result", "7200", "--format", "json").rows) == 100
    ran = run("query", sql, "--max-result", "7199", "--format", "ndjson")
    assert ran.exit_code == 1
    assert ran.stdout.count("\n") in (98, 99)
    assert "--max-result" in ran.stderr and "--limit" in ran.stderr


ROWS_WITHOUT_END = ENDLESS.replace("count(*)", "i")


def test_a_reader_that_has_seen_enough(classic: Path) -> None:
    command = [sys.executable, "-m", "filterkit", "query", ROWS_WITHOUT_END, "--format", "ndjson"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asking:
        assert asking.stdout is not None and asking.stderr is not None
        assert asking.stdout.readline() == b'{"i": 1}\n'
        asking.stdout.close()
        assert asking.stderr.read() == b""
    assert asking.returncode == 0


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX")
@pytest.mark.parametrize("sql", [ENDLESS, "SELECT printf('%.*c', 2000000000, 'x')"])
def test_interrupted(classic: Path, sql: str) -> None:
    # As Ctrl-C on a terminal does: to all processes of the group, here once the rows before have come.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from filterkit.cli import main\n"
        "from filterkit.catalog.sqlite import sql_process\n"
        "request = sql_process._Process.send_statement\n"
        "def told(*arguments): request(*arguments); print('asked', file=sys.stderr, flush=True)\n"
        "sql_process._Process.send_statement = told\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "query", sql, "--timeout", "600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as asking:
        assert asking.stderr is not None
        assert asking.stderr.readline() == b"asked\n"
        time.sleep(0.3)
        os.killpg(asking.pid, signal.SIGINT)
        assert asking.stderr.read().strip() in (b"interrupted", b"")
    assert asking.returncode == 130
