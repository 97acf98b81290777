"""SELECT statements: rows, one by one as well, and nothing but reading."""

from __future__ import annotations

import pytest

import filterkit
from filterkit.errors import CatalogError


def test_rows_and_limit(small: filterkit.Workbench) -> None:
    rows = small.query("select name, (select count(*) from filter) as n from model order by name")
    assert rows == [{"name": "classic", "n": 19}, {"name": "net", "n": 19}]
    assert len(small.query("select * from filter", limit=3)) == 3
    columns, each = small.iter_query("select 1 as one, 'x' as two")
    assert (columns, list(each)) == (("one", "two"), [{"one": 1, "two": "x"}])


@pytest.mark.parametrize("sql", ["delete from model", "select nothing from model", "selct 1", ""])
def test_what_does_not_read_is_refused(small: filterkit.Workbench, sql: str) -> None:
    with pytest.raises(filterkit.UsageError):
        small.query(sql)
    assert len(small.models()) == 2


def test_results_have_a_limit(small: filterkit.Workbench) -> None:
    with pytest.raises(CatalogError):
        small.query("select * from filter", max_result=100)


def test_the_columns_are_those_of_the_tables(small: filterkit.Workbench) -> None:
    rows = small.columns()
    for table in dict.fromkeys(rows["table"]):
        names = [row["column"] for row in rows if row["table"] == table]
        assert small.query(f'select * from "{table}" limit 0').columns == tuple(names)
    assert sum(bool(row["meaning"]) for row in rows) > 90
    metrics = {(row["table"], row["column"]): row["interpretation"] for row in rows}
    assert metrics["filter", "redundancy"].startswith("Largest |cosine| to another filter.")
    assert metrics["layer", "orthogonality"] is not None
    assert metrics["model", "name"] is None
