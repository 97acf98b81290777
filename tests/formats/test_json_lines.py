"""Rows as JSON, as one array or one object per line."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from written_rows import COLUMNS, ROWS, TEXT, write


def test_json_reads_back() -> None:
    assert json.loads(write(ROWS, "json")) == ROWS
    assert list(json.loads(write(ROWS, "json"))[0]) == list(COLUMNS)


def test_ndjson_reads_back() -> None:
    assert [json.loads(line) for line in write(ROWS, "ndjson").splitlines()] == ROWS


def test_json_has_no_word_for_nan() -> None:
    row = {"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}}
    expected = {"a": None, "b": [None, 1.5], "c": {"d": None}}
    assert json.loads(write([row], "json")) == [expected]
    assert json.loads(write([row], "ndjson")) == expected


@given(st.lists(st.dictionaries(st.just("a"), TEXT | st.integers() | st.lists(TEXT), min_size=1)))
def test_any_value_survives_json(rows: list[dict[str, Any]]) -> None:
    assert json.loads(write(rows, "json", ("a",))) == rows
    assert [json.loads(line) for line in write(rows, "ndjson", ("a",)).split("\n")[:-1]] == rows
