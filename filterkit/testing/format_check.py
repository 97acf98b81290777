"""The conformance check of output formats."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr
from functools import partial
from types import MappingProxyType
from typing import Any

from filterkit.errors import PluginContractError
from filterkit.plugins.protocols import OutputFormat, Row
from filterkit.testing.files import writes_nothing
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

COLUMNS = ("model", "filters", "mean", "dead", "kernel_shape", "note")
ORDINARY: Row = dict(zip(COLUMNS, ("vgg16", 64, 0.125, False, [3, 3], None), strict=True))
OTHER: Row = dict(zip(COLUMNS, ("other", 65, -2.5, True, [5], "new"), strict=True))


def check_format(output_format: OutputFormat | Callable[[], OutputFormat]) -> None:
    """Try an output format on no rows, one, many, and values of all sorts.

    Parameters
    ----------
    output_format
        The object, or a class or another factory that takes no arguments. What it writes to the stream, or
        to its ``buffer``, is compared.

    Raises
    ------
    ConformanceError
        Lists what it breaks: rows read once and as they are, in the order of `columns` and not of their
        keys; every value to be seen in what is written; the same bytes for the same rows, whatever came
        before; a stream that stays open, whose errors pass; nothing written elsewhere; pickling; options.
    """
    subject = subject_of("format", output_format, "write")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    tried: dict[str, tuple[list[Row], bytes]] = {}
    with redirect_stderr(io.StringIO()), writes_nothing(findings):
        for name, rows in _trial_rows():
            written = findings.attempt(name, partial(_written, wrapped, rows))
            if written is not None:
                tried[name] = rows, written
        # Else whatever follows would be told as more faults than there are.
        if _shows_rows(findings, wrapped):
            _compare(findings, wrapped)
            _break(findings, wrapped)
        check_repeats(findings, wrapped, copy, tried, _written, _differs)
    findings.conclude()


def _shows_rows(findings: Findings, wrapped: Any) -> bool:
    """Whether anything of the rows is to be seen in what is written, and the same each time."""
    ordinary, again, other = (
        findings.attempt("", partial(_written, wrapped, [row])) for row in (ORDINARY, ORDINARY, OTHER)
    )
    if None in (ordinary, again, other):
        return False
    findings.hold(bool(ordinary), "writes nothing to the stream")
    shown = ordinary != other
    findings.hold(
        not ordinary or shown, "shows nothing of the rows; they come once, and cannot be read again"
    )
    return bool(ordinary) and shown and ordinary == again


def _trial_rows() -> Iterator[tuple[str, list[Row]]]:
    def changed(**values: Any) -> Row:
        return {**ORDINARY, **values}

    yield "ordinary rows", [ORDINARY, OTHER]
    yield "no rows", []
    yield "one row", [ORDINARY]
    yield "a thousand rows", [changed(filters=number) for number in range(1000)]
    yield "nothing known", [dict.fromkeys(COLUMNS)]
    yield "NaN and infinities", [changed(mean=value) for value in (float("nan"), float("inf"), -float("inf"))]
    yield (
        "huge and tiny numbers",
        [changed(filters=2**62, mean=1e300), changed(filters=-(2**62), mean=5e-324)],
    )
    yield "empty lists and texts", [changed(kernel_shape=[], model="")]
    odd = ("a,b;c|d", 'say "yes"', "it's", "tab\there", "two\nlines", "<td>&amp;", "\\", "=1+1", " space ")
    yield "odd texts", [changed(model=text) for text in odd]
    yield "texts of other scripts", [changed(model=text) for text in ("層", "фильтр", "🙂", "e\u0301")]
    yield "control characters", [changed(model="a\x00b\x1b[31m\r")]
    yield "long texts", [changed(model="long " * 2000)]


class _Pipe(io.BytesIO):
    """Bytes that can only be written on, as in ``filterkit layers vgg16 | less``."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: Any) -> int:
        raise io.UnsupportedOperation("underlying stream is not seekable")

    tell = seek


class _Closed(PluginContractError):
    """A format closed the stream."""


def _written(wrapped: Any, rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS) -> bytes:
    """What it writes, as bytes; rows come as they do in filterkit: once, one by one, unchangeable."""
    buffer = _Pipe()
    stream = io.TextIOWrapper(buffer, encoding="utf-8", newline="", write_through=True)
    wrapped.write((MappingProxyType(dict(row)) for row in rows), columns, stream)
    if stream.closed:
        raise _Closed("closes the stream, which is not its own")
    stream.flush()
    return buffer.getvalue()


def _differs(one: bytes, other: bytes) -> str:
    return "" if one == other else "writes other bytes for the same rows"


def _compare(findings: Findings, wrapped: Any) -> None:
    def written(rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> bytes | None:
        return findings.attempt("", partial(_written, wrapped, rows, columns))

    ordinary = written([ORDINARY])
    backwards = {name: ORDINARY[name] for name in reversed(COLUMNS)}
    findings.hold(written([backwards]) == ordinary, "goes by the order of the row's keys, not by `columns`")
    turned = written([ORDINARY], COLUMNS[::-1])
    findings.hold(turned != ordinary, "does not keep to the order of `columns`")
    for name, value in OTHER.items():
        other = written([{**ORDINARY, name: value}])
        findings.hold(other != ordinary, f"writes the same for {name}={ORDINARY[name]!r} and {value!r}")
    both, swapped = written([ORDINARY, OTHER]), written([OTHER, ORDINARY])
    findings.hold(both != swapped, "does not keep the order of the rows")


def _break(findings: Findings, wrapped: Any) -> None:
    class Broken(io.StringIO):
        """A pipe whose reader has left."""

        buffer = property(lambda self: self)

        def write(self, text: Any) -> int:
            raise BrokenPipeError

    try:
        wrapped.write(iter([ORDINARY]), COLUMNS, Broken())
    except BrokenPipeError:
        return
    except Exception as error:
        findings.add(f"turns the error of a broken stream into {type(error).__name__}")
        return
    findings.add("hides that its stream is broken")
