"""Rows as a table: cells, widths, and what is left out."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from written_rows import ROWS, TEXT, Terminal, write

from filterkit.errors import UsageError
from filterkit.formats.table import cell, lay_out


@pytest.fixture
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, "a", "-"),
        (True, "a", "yes"),
        (7, "a", "7"),
        (1634496, "a", "1,634,496"),
        (0.012345678, "a", "0.01235"),
        (-1e-9, "a", "-1e-09"),
        (196.0, "a", "196"),
        (15346630656.0, "a", "15,346,630,656"),
        (math.nan, "a", "nan"),
        (-math.inf, "a", "-inf"),
        ([3, 3], "kernel_shape", "3×3"),
        (["N", 64, "H", None], "output_shape", "N×64×H×?"),
        ([1, 1], "strides", "1,1"),
        ([], "strides", ""),
        (["minmax", "zscore"], "adds", "minmax, zscore"),
        ("two\nlines", "a", "two lines"),
        ("\x1b[2Jgone", "a", "\\x1b[2Jgone"),
    ],
)
def test_cells(value: Any, column: str, text: str) -> None:
    assert cell(value, column) == text


def test_a_table_off_a_terminal_is_not_cut() -> None:
    lines = write(ROWS, "table").splitlines()
    assert len(lines) == 2 + 1 + 2
    assert lines[-1].split() == [
        "vgg16/block2_conv1",
        "Conv",
        "3×3",
        "1,1",
        "3,584",
        "15,346,630,656",
        "0.02469",
        "N×64×H×W",
        "Relu",
        "functional_1/block2_conv1_1/BiasAdd",
    ]


@pytest.mark.usefixtures("eighty")
def test_a_table_on_a_terminal_fits_and_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = write(ROWS, "table", stream=Terminal()).splitlines()
    assert max(map(len, lines)) <= 80
    assert "15,346,630,656" in lines[-1]
    said = capsys.readouterr().err
    assert (
        said
        == "3 columns are not shown (output_shape, activation, node); use --format json or csv to see all\n"
    )


@pytest.mark.usefixtures("eighty")
def test_brief_picks_the_columns_of_a_table_only(capsys: pytest.CaptureFixture[str]) -> None:
    text = write(ROWS, "table", brief=("node", "macs"), quiet=True, stream=Terminal())
    assert text.splitlines()[0].split() == ["node", "macs"]
    assert capsys.readouterr().err == ""
    assert json.loads(write(ROWS, "json", brief=("node", "macs"), quiet=True)) == ROWS
    assert write(ROWS, "table:columns=op/macs", brief=("node",)).split()[:2] == ["op", "macs"]
    with pytest.raises(UsageError, match="there is no column 'mac'") as caught:
        write(ROWS, "table:columns=mac")
    assert str(caught.value.hint).startswith("did you mean 'macs'")


def test_long_text_wraps_and_long_words_are_shortened() -> None:
    rows = [["plugin", "cannot be imported because a module is missing", "f" * 64]]
    lines, fitted = lay_out(rows, ("name", "error", "sha256"), 60)
    assert fitted == 3
    assert max(map(len, lines)) <= 60
    assert "f…f" in lines[2]
    assert " ".join(line[8:].split("  ")[0].strip() for line in lines[2:]).startswith("cannot be imported")


@given(
    st.lists(st.tuples(TEXT, st.integers() | st.none(), st.floats(), TEXT), min_size=1, max_size=5),
    st.integers(50, 200),
)
def test_a_table_keeps_to_its_width(rows: list[tuple[Any, ...]], width: int) -> None:
    lines, fitted = lay_out(rows, ("address", "count", "mean_value", "what"), width)
    assert 1 <= fitted <= 4
    assert max(map(cell_len, lines)) <= width


def test_names_are_kept_where_words_can_wrap() -> None:
    rows = [["x", "a summary of many words that wraps", "filterkit.normalizers"]]
    lines, fitted = lay_out(rows, ("name", "summary", "plugin"), 50)
    assert fitted == 3
    assert lines[2].endswith("filterkit.normalizers")


def test_wide_signs_stay_in_their_columns() -> None:
    lines, _ = lay_out([["模型", 1], ["model", 22]], ("name", "n"), None)
    assert lines[2:] == ["模型    1", "model  22"]
    lines, _ = lay_out([["模型" * 30, " " * 90]], ("name", "what"), 60)
    assert "…" in lines[2]
    assert max(map(cell_len, lines)) <= 60


def test_shortened_names_can_still_be_told_apart() -> None:
    names = [f"a_long_decoder_name.{number}.point_conv1.0" for number in range(3)]
    names += [f"a_long_decoder_name.0.conv.{number}" for number in range(3)]
    lines, fitted = lay_out([["gtcrn", name, 7] for name in names], ("model", "layer", "macs"), 40)
    assert fitted == 2, "what does not fit goes before a name loses what tells it apart"
    assert max(map(len, lines)) <= 40
    assert "…" in lines[2]
    assert len(set(lines[2:])) == len(names)
