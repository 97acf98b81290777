"""Limits of the process that runs queries: of a value, a row, all rows, names, statements and memory."""

from __future__ import annotations

import time
from typing import Any

import pytest
from free_sql import COUNTING, run

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query
from filterkit.catalog.sqlite.sql_worker import HEAP
from filterkit.errors import CatalogError, UsageError


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


def test_a_large_catalog_can_be_sorted_in_files(reading: Catalog) -> None:
    rows = HEAP // 900_000 + 100
    sql = f"SELECT i, randomblob(900000) AS large FROM ({COUNTING.format(rows)}) ORDER BY -i"
    [row] = run(reading, sql, timeout=300, limit=1)
    assert row["i"] == rows
