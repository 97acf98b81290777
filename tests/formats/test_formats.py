"""Rows as table, JSON, NDJSON, CSV and TSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import filterkit
from filterkit.cli.support.output import print_rows
from filterkit.errors import UsageError
from filterkit.formats.table import cell, lay_out
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

REGISTRY = Registry(load_plugins(discover=False))
FORMATS = ["table", "json", "ndjson", "csv", "tsv"]

ROWS = [
    {
        "address": f"vgg16/block{block}_conv1",
        "op": "Conv",
        "kernel_shape": [3, 3],
        "strides": [1, 1],
        "parameters": 1792 * block,
        "macs": 15346630656,
        "mean": 0.0123456 * block,
        "output_shape": ["N", 64, "H", "W"],
        "activation": "Relu" if block > 1 else None,
        "node": f"functional_1/block{block}_conv1_1/BiasAdd",
    }
    for block in (1, 2)
]
COLUMNS = tuple(ROWS[0])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def write(
    rows: Sequence[dict[str, Any]], format_name: str, columns: tuple[str, ...] | None = None, **more: Any
) -> str:
    stream = more.pop("stream", None) or io.StringIO()
    names = columns or tuple(rows[0])
    print_rows(iter(rows), names, format_name, registry=REGISTRY, stream=stream, **more)
    return str(stream.getvalue())


@pytest.fixture
def eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


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


def test_only_the_columns_asked_for_in_their_order() -> None:
    assert write([{"a": 1, "b": 2, "c": 3}], "csv", ("c", "a")) == "c,a\n3,1\n"
    assert write([{"a": 1}], "json", ("b", "a")) == '[\n  {"b": null, "a": 1}\n]\n'


@pytest.mark.parametrize(
    ("format_name", "text"),
    [("json", "[]\n"), ("ndjson", ""), ("csv", "a,b\n"), ("tsv", "a\tb\n"), ("table", "")],
)
def test_no_rows(format_name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert write([], format_name, ("a", "b")) == text
    assert capsys.readouterr().err == ("no rows\n" if format_name == "table" else "")


def test_lists_are_json_in_csv_and_tsv() -> None:
    row = {"k": [3, 3], "s": ["N", 64], "none": None, "no": False, "text": "é"}
    assert write([row], "csv") == 'k,s,none,no,text\n"[3,3]","[""N"",64]",,false,é\n'
    assert write([row], "tsv") == 'k\ts\tnone\tno\ttext\n[3,3]\t"[""N"",64]"\t\tfalse\té\n'


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1), st.sampled_from([("csv", ","), ("tsv", "\t")]))
def test_any_text_survives_csv(values: list[tuple[str, str]], how: tuple[str, str]) -> None:
    text = write([{"a": a, "b": b} for a, b in values], how[0])
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=how[1]))
    assert read == [["a", "b"], *map(list, values)]


@given(st.lists(st.dictionaries(st.just("a"), TEXT | st.integers() | st.lists(TEXT), min_size=1)))
def test_any_value_survives_json(rows: list[dict[str, Any]]) -> None:
    assert json.loads(write(rows, "json", ("a",))) == rows
    assert [json.loads(line) for line in write(rows, "ndjson", ("a",)).split("\n")[:-1]] == rows


@pytest.mark.parametrize("format_name", ["json", "ndjson", "csv", "tsv"])
def test_rows_are_written_as_they_come(format_name: str) -> None:
    stream = io.StringIO()

    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": "first"}
        assert "first" in stream.getvalue()
        yield {"a": "second"}

    print_rows(rows(), ("a",), format_name, registry=REGISTRY, stream=stream)
    assert "second" in stream.getvalue()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_reader_that_leaves_is_no_fault(format_name: str) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write(ROWS, format_name, stream=Gone())


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


def test_an_unknown_format_is_reported() -> None:
    with pytest.raises(UsageError, match="unknown format 'jsn'") as caught:
        write(ROWS, "jsn")
    assert caught.value.hint == "did you mean 'json' or 'ndjson'?"


def test_a_plugins_format_needs_no_options_of_ours() -> None:
    class Plain:
        def write(self, rows: Any, columns: tuple[str, ...], stream: Any) -> None:
            stream.writelines(f"{row['op']}\n" for row in rows)

    class Plugin:
        @filterkit.hookimpl
        def filterkit_output_formats(self) -> list[Any]:
            return [filterkit.Contribution("plain", "Operators", Plain)]

    host = load_plugins(discover=False)
    host.add(Plugin(), name="filterkit-plain")
    stream = io.StringIO()
    print_rows(ROWS, COLUMNS, "plain", registry=Registry(host), brief=("op",), quiet=True, stream=stream)
    assert stream.getvalue() == "Conv\nConv\n"


class Bytes:
    """A binary format, as a plugin may contribute one."""

    binary = True

    def write(self, rows: Iterable[Any], columns: tuple[str, ...], stream: TextIO) -> None:
        stream.buffer.write(bytes(len(row) for row in rows))


@pytest.fixture
def with_bytes() -> Registry:
    host = load_plugins(discover=False)

    class Plugin:
        @filterkit.hookimpl
        def filterkit_output_formats(self) -> list[filterkit.Contribution[Any]]:
            return [filterkit.Contribution("bytes", "Lengths", Bytes)]

    host.add(Plugin(), name="filterkit-bytes", version="1")
    return Registry(host)


def test_a_format_of_bytes_writes_to_the_stream_below(with_bytes: Registry) -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    print_rows(ROWS, COLUMNS, "bytes", registry=with_bytes, stream=stream)
    assert stream.buffer.getvalue() == bytes([len(COLUMNS)] * len(ROWS))


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_bytes_are_kept_from_text(with_bytes: Registry, stream: io.StringIO) -> None:
    with pytest.raises(UsageError, match="'bytes' is a binary format") as caught:
        print_rows(ROWS, COLUMNS, "bytes", registry=with_bytes, stream=stream)
    assert "> rows.bytes" in str(caught.value.hint)
    assert stream.getvalue() == ""
