"""Tables: selecting from them, and what they have in common with lists."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import filterkit
from filterkit.errors import UnknownColumnError, UsageError
from filterkit.results.rows import Found, Rows

ROWS = [{"address": f"net/conv/{number}", "norm": number / 2} for number in range(30)]


@pytest.fixture
def rows() -> Rows:
    return Rows(ROWS, ("address", "norm"))


@pytest.fixture
def bench(classic_catalog: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(classic_catalog) as opened:
        yield opened


def test_rows_columns_and_slices(rows: Rows) -> None:
    assert rows[0] is ROWS[0] and rows[-1] is ROWS[-1] and rows[np.int64(2)] is ROWS[2]
    assert rows["norm"] == [row["norm"] for row in ROWS]
    assert rows.shape == (30, 2)
    assert isinstance(rows["norm"], list)
    for part, expected in [
        (rows[2:5], ROWS[2:5]),
        (rows[::-10], ROWS[::-10]),
        (rows.head(), ROWS[:5]),
        (rows.head(-28), ROWS[:2]),
        (rows.tail(2), ROWS[-2:]),
        (rows.tail(0), []),
        (rows.tail(99), ROWS),
        (rows.tail(-29), ROWS[29:]),
    ]:
        assert isinstance(part, Rows) and part.columns == rows.columns
        assert part == expected
    with pytest.raises(IndexError):
        rows[30]


def test_several_columns_and_selected_rows(rows: Rows) -> None:
    few = rows[["norm"]]
    assert few.columns == ("norm",) and few[3] == {"norm": 1.5}
    norms = np.array(rows["norm"])
    assert rows[norms > 14] == ROWS[29:]
    assert rows[np.argsort(-norms)[:2]] == [ROWS[29], ROWS[28]]
    assert rows[[True] + [False] * 29] == ROWS[:1]
    assert rows[[]] == [] and rows[[]].columns == rows.columns
    with pytest.raises(UsageError, match="2 truth values"):
        rows[[True, False]]


def test_a_wrong_column_is_a_key_error_that_suggests_one(rows: Rows) -> None:
    for key in ("nrom", ["address", "nrom"]):
        with pytest.raises(KeyError) as caught:
            rows[key]
        assert isinstance(caught.value, UnknownColumnError)
        assert str(caught.value) == "there is no column 'nrom'"
        assert caught.value.hint == "did you mean 'norm'?"


def test_habits_of_pandas_get_a_hint(rows: Rows) -> None:
    with pytest.raises(AttributeError) as caught:
        rows.norm  # noqa: B018
    assert caught.value.__notes__ == ["hint: the column is rows['norm']"]
    with pytest.raises(AttributeError) as caught:
        rows.describe()
    assert "to_pandas" in caught.value.__notes__[0]
    for compare in (
        lambda: rows["norm"] > 1,
        lambda: rows["norm"] <= 1,
        lambda: rows["address"] == "net/conv/1",
        lambda: rows["address"] != "net/conv/1",
        lambda: rows[True],
        lambda: rows[np.False_],
    ):
        with pytest.raises(UsageError) as refused:
            compare()
        assert "where=" in (refused.value.hint or "") and "to_pandas" in (refused.value.hint or "")


def test_a_column_is_a_list_with_a_short_repr(rows: Rows) -> None:
    column = rows["norm"]
    assert column != column[:-1] and column[1:] > column[:-1] and sum(column) == 217.5
    assert repr(column) == "[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, ...] (norm: 30 values)"
    assert len(repr(Rows([{"x": "y" * 10_000}] * 5_000, ["x"])["x"])) < 500


def test_all_that_lists_can_do(rows: Rows) -> None:
    plain = list(rows)
    assert rows == plain and plain == rows and rows != plain[1:] and rows != "rows"
    for table in (rows, plain):
        table.append({"address": "z", "norm": 9})
        table.insert(0, table.pop(3))
        table.extend(table[:2])
        table += [ROWS[0]]
        table.remove(ROWS[5])
        table.reverse()
        table[1] = ROWS[7]
        del table[2:4]
        table.sort(key=lambda row: row["norm"], reverse=True)
    assert list(rows) == plain
    assert list(reversed(rows)) == plain[::-1] and sorted(rows, key=str) == sorted(plain, key=str)
    assert ROWS[8] in rows and rows.index(ROWS[8]) == plain.index(ROWS[8])
    assert rows.count(ROWS[0]) == plain.count(ROWS[0]) == 2
    rows.clear()
    assert not rows and len(rows) == 0
    with pytest.raises(TypeError, match="unhashable"):
        hash(rows)


def test_a_copy_is_a_table_of_its_own(rows: Rows) -> None:
    for made in (
        rows.copy(),
        copy.copy(rows),
        copy.deepcopy(rows),
        pickle.loads(pickle.dumps(rows)),
        rows[:],
    ):
        assert type(made) is Rows and made == rows and made.columns == rows.columns
        made.pop()
        assert len(rows) == 30


def test_adding(rows: Rows) -> None:
    other = Rows([{"address": "a", "bias": 1}], ("address", "bias"))
    both = rows + other
    assert isinstance(both, Rows) and both.columns == ("address", "norm", "bias")
    assert both == [*ROWS, *other] and both["bias"] == [None] * 30 + [1]
    assert rows + ROWS[:1] == [*ROWS, ROWS[0]] and ROWS[:1] + rows == [ROWS[0], *ROWS]
    assert len(rows) == 30


def test_results_keep_their_kind(bench: filterkit.Workbench) -> None:
    found = bench.similar("classic/edge_sobel_x/0/0")
    part = found[1:3]
    assert type(part) is type(found) and part.query is found.query
    assert bench.sheet(part).count == 3, "the query and two neighbours"
    assert pickle.loads(pickle.dumps(found)) == found
    copies = bench.duplicates(threshold=0.2)
    assert isinstance(copies[:0], Found) and copies[:0].not_finite == 0
    compared = bench.diff("classic/edge_sobel_x", "classic/edge_sobel_y")
    assert compared[:1].pairs == compared.pairs and compared[:1].level == "layer"
