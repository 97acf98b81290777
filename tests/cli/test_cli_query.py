"""``filterkit query``: SQL for reading only."""

from __future__ import annotations

import hashlib
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
