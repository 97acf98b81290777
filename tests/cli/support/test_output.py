"""Rows on stdout in every output format, of plugins as well."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import pytest
from written_rows import COLUMNS, REGISTRY, ROWS, Terminal, write

import filterkit
from filterkit.cli.support.output import print_rows
from filterkit.errors import UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

FORMATS = ["table", "json", "ndjson", "csv", "tsv"]


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
