"""Rows as CSV and TSV, read back by Python's csv."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st
from written_rows import TEXT, write


def test_lists_are_json_in_csv_and_tsv() -> None:
    row = {"k": [3, 3], "s": ["N", 64], "none": None, "no": False, "text": "é"}
    assert write([row], "csv") == 'k,s,none,no,text\n"[3,3]","[""N"",64]",,false,é\n'
    assert write([row], "tsv") == 'k\ts\tnone\tno\ttext\n[3,3]\t"[""N"",64]"\t\tfalse\té\n'


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1), st.sampled_from([("csv", ","), ("tsv", "\t")]))
def test_any_text_survives_csv(values: list[tuple[str, str]], how: tuple[str, str]) -> None:
    text = write([{"a": a, "b": b} for a, b in values], how[0])
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=how[1]))
    assert read == [["a", "b"], *map(list, values)]
