"""Conformance check for output formats."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr
from functools import partial
from types import MappingProxyType
from typing import Any

from filterkit.errors import PluginContractError
from filterkit.plugins.protocols import OutputFormat, Row
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

COLUMNS = ("model", "filters", "mean", "dead", "kernel_shape", "note")
ORDINARY: Row = dict(zip(COLUMNS, ("vgg16", 64, 0.125, False, [3, 3], None), strict=True))
OTHER: Row = dict(zip(COLUMNS, ("other", 65, -2.5, True, [5], "new"), strict=True))


def check_format(output_format: OutputFormat | Callable[[], OutputFormat]) -> None:
    """Check an output format with no rows, one, many, and all kinds of values.

    Parameters
    ----------
    output_format
        The object, or a class or another factory that takes no arguments. What it writes to the stream or
        to its ``buffer`` is compared.

    Raises
    ------
    ConformanceError
        Lists all violations. Rows must be read once and not modified, values written in the order of
        `columns` rather than of the keys, and every value must affect the output; the same rows must give
        the same bytes, in any order; the stream must stay open and its errors propagate; no other files; it
        must be picklable and its options must be valid.
    """
    subject = subject_of("format", output_format, "write")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    tried: dict[str, tuple[list[Row], bytes]] = {}
    with redirect_stderr(io.StringIO()), writes_nothing(findings):
        for name, rows in _trial_rows():
            written = findings.attempt(name, partial(_written, wrapped, rows))
            if written is not None:
                tried[name] = rows, written
        # Otherwise, the following checks would report consequential faults.
        if _shows_rows(findings, wrapped):
            _compare(findings, wrapped)
            _break(findings, wrapped)
        check_repeats(findings, wrapped, copy, tried, _written, _differs)
    findings.conclude()


def _shows_rows(findings: Findings, wrapped: Any) -> bool:
    """Whether the output depends on the rows and is reproducible."""
    ordinary, again, other = (
        findings.attempt("", partial(_written, wrapped, [row])) for row in (ORDINARY, ORDINARY, OTHER)
    )
    if None in (ordinary, again, other):
        return False
    findings.require(bool(ordinary), "writes nothing to the stream")
    shown = ordinary != other
    findings.require(not ordinary or shown, "writes nothing of the rows; they can be iterated only once")
    return bool(ordinary) and shown and ordinary == again


def _trial_rows() -> Iterator[tuple[str, list[Row]]]:
    def changed(**values: Any) -> Row:
        return {**ORDINARY, **values}

    yield "ordinary rows", [ORDINARY, OTHER]
    yield "no rows", []
    yield "one row", [ORDINARY]
    yield "a thousand rows", [changed(filters=number) for number in range(1000)]
    yield "only None", [dict.fromkeys(COLUMNS)]
    yield "NaN and infinities", [changed(mean=value) for value in (float("nan"), float("inf"), -float("inf"))]
    yield (
        "huge and tiny numbers",
        [changed(filters=2**62, mean=1e300), changed(filters=-(2**62), mean=5e-324)],
    )
    yield "empty lists and strings", [changed(kernel_shape=[], model="")]
    odd = ("a,b;c|d", 'say "yes"', "it's", "tab\there", "two\nlines", "<td>&amp;", "\\", "=1+1", " space ")
    yield "special characters", [changed(model=text) for text in odd]
    yield "other scripts", [changed(model=text) for text in ("層", "фильтр", "🙂", "e\u0301")]
    yield "control characters", [changed(model="a\x00b\x1b[31m\r")]
    yield "long strings", [changed(model="long " * 2000)]


class _Pipe(io.BytesIO):
    """A non-seekable stream, as in ``filterkit layers vgg16 | less``."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("underlying stream is not seekable")

    tell = seek


class _Closed(PluginContractError):
    """The format closed the stream."""


def _written(wrapped: Any, rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS) -> bytes:
    """The output as bytes; as in filterkit, rows are read-only and generated lazily, once."""
    buffer = _Pipe()
    stream = io.TextIOWrapper(buffer, encoding="utf-8", newline="", write_through=True)
    wrapped.write((MappingProxyType(dict(row)) for row in rows), columns, stream)
    if stream.closed:
        raise _Closed("closes the stream, which it does not own")
    stream.flush()
    return buffer.getvalue()


def _differs(one: bytes, other: bytes) -> str:
    return "" if one == other else "writes different bytes for the same rows"


def _compare(findings: Findings, wrapped: Any) -> None:
    def written(rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> bytes | None:
        return findings.attempt("", partial(_written, wrapped, rows, columns))

    ordinary = written([ORDINARY])
    backwards = {name: ORDINARY[name] for name in reversed(COLUMNS)}
    findings.require(
        written([backwards]) == ordinary, "uses the order of the row's keys instead of `columns`"
    )
    turned = written([ORDINARY], COLUMNS[::-1])
    findings.require(turned != ordinary, "ignores the order of `columns`")
    for name, value in OTHER.items():
        other = written([{**ORDINARY, name: value}])
        findings.require(other != ordinary, f"writes the same for {name}={ORDINARY[name]!r} and {value!r}")
    both, swapped = written([ORDINARY, OTHER]), written([OTHER, ORDINARY])
    findings.require(both != swapped, "ignores the order of the rows")


def _break(findings: Findings, wrapped: Any) -> None:
    class Broken(io.StringIO):
        """A pipe whose reader has exited."""

        buffer = property(lambda self: self)

        def write(self, text: Any) -> int:
            raise BrokenPipeError

    try:
        wrapped.write(iter([ORDINARY]), COLUMNS, Broken())
    except BrokenPipeError:
        return
    except Exception as error:
        findings.add(f"converts the error of a broken stream to {type(error).__name__}")
        return
    findings.add("suppresses the error of a broken stream")
