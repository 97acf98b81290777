"""Rows in memory are selected as the catalog's are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.catalog.selecting import names_in, select_rows
from filterkit.errors import UnknownNameError, UsageError

TYPES: dict[str, type] = {"name": str, "cosine": float, "changed": int}

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["conv1", "conv2", "Conv10"]),
            "cosine": st.none() | st.floats(-1, 1, allow_nan=False),
            "changed": st.none() | st.integers(0, 3),
        }
    ),
    max_size=12,
)


def expected_order(rows: list[dict[str, Any]], name: str, *, descending: bool) -> list[int]:
    """By a stable sort in Python: missing values last in either direction."""
    known = [number for number, row in enumerate(rows) if row[name] is not None]
    missing = [number for number, row in enumerate(rows) if row[name] is None]
    return sorted(known, key=lambda number: rows[number][name], reverse=descending) + missing


@given(ROWS, st.sampled_from(["cosine", "changed", "name"]))
def test_rows_are_sorted_as_in_python(rows: list[dict[str, Any]], name: str) -> None:
    assert select_rows(rows, TYPES, sort=name) == expected_order(rows, name, descending=False)
    found = select_rows(rows, TYPES, sort=f"-{name}")
    assert [rows[n][name] for n in found] == [
        rows[n][name] for n in expected_order(rows, name, descending=True)
    ]
    assert sorted(found) == list(range(len(rows)))


@given(ROWS, st.floats(-1, 1, allow_nan=False), st.integers(0, 12))
def test_conditions_and_limits_are_those_of_python(
    rows: list[dict[str, Any]], least: float, limit: int
) -> None:
    found = select_rows(rows, TYPES, where=f"cosine >= {least!r} and changed > 0", limit=limit)
    fits = [
        number
        for number, row in enumerate(rows)
        if row["cosine"] is not None and row["cosine"] >= least and row["changed"]
    ]
    assert found == fits[:limit]


def test_names_are_separated_by_commas() -> None:
    assert names_in("layer, -l2_norm,") == ("layer", "-l2_norm")
    assert names_in(["layer", "-l2_norm"]) == ("layer", "-l2_norm")
    assert names_in(None) == ()


def test_what_cannot_be_selected() -> None:
    with pytest.raises(UnknownNameError, match="there is no column 'cosin'") as caught:
        select_rows([], TYPES, sort="cosin")
    assert "cosine" in str(caught.value.hint)
    with pytest.raises(UsageError, match="limit must be 0 or more"):
        select_rows([], TYPES, limit=-1)
    assert select_rows([], TYPES, limit=0) == []
