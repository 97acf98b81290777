"""Broken output formats, and what the check says of them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from breaking import problems

from filterkit.testing import check_format


def _line(row: Any, columns: Any) -> str:
    return json.dumps([row[name] for name in columns]) + "\n"


class Good:
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.write(json.dumps(columns) + "\n")
        for row in rows:
            stream.write(_line(row, columns))


class GoodInBytes:
    """A format that is no text."""

    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.buffer.write(b"\x00\xff" + json.dumps(columns).encode())
        for row in rows:
            stream.buffer.write(_line(row, columns).encode())


class OwnOrder(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            stream.write(json.dumps(dict(row)) + "\n")


class AnyOrder(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        super().write(rows, sorted(columns), stream)


class Sorted(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        super().write(sorted(rows, key=lambda row: row["model"] or ""), columns, stream)


class Texts(Good):
    """Takes everything for text."""

    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            stream.write(" ".join(row[name] for name in columns))


class Rounds(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            stream.write(_line({**row, "mean": None, "note": ""}, columns))


class TwiceOver(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.write(f"{len(list(rows))}\n")
        super().write(rows, columns, stream)


class Fills(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            row["note"] = row["note"] or "-"
            stream.write(_line(row, columns))


class Closes(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        with stream:
            super().write(rows, columns, stream)


class Clock(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.write(f"{time.perf_counter_ns()}\n")
        super().write(rows, columns, stream)


class Hides(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        try:
            super().write(rows, columns, stream)
        except OSError:
            return


class Renames(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        try:
            super().write(rows, columns, stream)
        except OSError as error:
            raise RuntimeError("cannot write") from error


class Goes(Good):
    """Goes back to the beginning, which a pipe does not."""

    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.seek(0)
        super().write(rows, columns, stream)


class Elsewhere(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        Path("out.txt").write_text("".join(_line(row, columns) for row in rows))


class Prints(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        for row in rows:
            print(_line(row, columns), end="")


@dataclass(frozen=True)
class Delimited(Good):
    delimiter: str = ","


class Numbers(Good):
    """Each of its files by a number."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        self.count += 1
        stream.write(f"{self.count}\n")
        super().write(rows, columns, stream)


class Unordered(Good):
    def write(self, rows: Any, columns: Any, stream: Any) -> None:
        stream.write(f"{set(columns)}\n")
        super().write(rows, columns, stream)


@pytest.mark.parametrize("good", [Good, Good(), GoodInBytes])
def test_good_ones_pass(good: Any) -> None:
    check_format(good)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (OwnOrder, "uses the order of the row's keys instead of `columns`"),
        (OwnOrder, "ignores the order of `columns`"),
        (AnyOrder, "ignores the order of `columns`"),
        (Sorted, "ignores the order of the rows"),
        (
            Texts,
            "write() raised TypeError: sequence item 1: expected str instance, int found (with",
        ),
        (Rounds, "writes the same for mean=0.125 and -2.5"),
        (Rounds, "writes the same for note=None and 'new'"),
        (TwiceOver, "writes nothing of the rows; they can be iterated only once"),
        (Fills, "write() raised TypeError: 'mappingproxy' object does not support item assignment"),
        (Closes, "closes the stream, which it does not own"),
        (Numbers, "writes different bytes for the same rows the second time (with ordinary rows, no rows"),
        (
            Unordered,
            "writes different bytes for the same rows in another process, with another PYTHONHASHSEED",
        ),
        (Clock, "writes different bytes for the same rows the second time"),
        (Hides, "suppresses the error of a broken stream"),
        (Goes, "UnsupportedOperation: underlying stream is not seekable (with ordinary rows"),
        (Renames, "converts the error of a broken stream to"),
        (Elsewhere, "writes files to the working folder:  out.txt"),
        (Elsewhere, "writes nothing to the stream"),
        (Prints, "prints to stdout, which is reserved for data"),
        (Delimited, "has an option that a spec string cannot set: delimiter=,"),
        (object, "is an object, which is not an OutputFormat"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    assert words in problems(check_format, broken)


@pytest.mark.parametrize("broken", [TwiceOver, Fills, Closes, Clock, Goes])
def test_one_fault_is_told_as_one(broken: Any) -> None:
    said = problems(check_format, broken).splitlines()
    assert len(said) <= 2, said
    assert not any("for model=" in line or "broken stream" in line for line in said)
