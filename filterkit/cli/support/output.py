"""Rows to stdout, in the format the user chose."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO, cast

from filterkit.errors import UsageError, plain

if TYPE_CHECKING:
    from filterkit.plugins.contracts import CheckedFormat
    from filterkit.plugins.protocols import Row
    from filterkit.plugins.registry import Registry


def choose_format(
    registry: Registry, spec: str, *, brief: Sequence[str] | None = None, quiet: bool = False
) -> CheckedFormat:
    """The output format that `spec` names, e.g. ``"json"`` or ``"table:columns=layer/macs"``.

    Parameters
    ----------
    brief
        The columns a reader wants first; for formats with an option ``columns``.
    quiet
        No words beside the rows; for formats with an option ``quiet``.

    Raises
    ------
    UsageError
        If there is no such format or option.
    """
    wishes = {"columns": tuple(brief) if brief else None, "quiet": quiet}
    known = {option.name for option in registry.find("format", spec.partition(":")[0]).options()}
    return registry.create("format", spec, **{name: wish for name, wish in wishes.items() if name in known})


def refuse_terminal(chosen: CheckedFormat, stream: TextIO) -> None:
    """Keep a format's bytes from a stream that shows text or takes nothing else.

    Raises
    ------
    UsageError
        If `chosen` writes bytes and `stream` is a terminal or not made of bytes.
    """
    if chosen.binary and (stream.isatty() or not hasattr(stream, "buffer")):
        name = chosen.contribution.name
        raise UsageError(f"'{name}' is bytes, not text", hint=f"write them to a file: > rows.{name}")


def print_rows(
    rows: Iterable[Row],
    columns: Sequence[str],
    format_name: str,
    *,
    registry: Registry,
    brief: Sequence[str] | None = None,
    quiet: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Write `rows` to `stream` (stdout), as they come where the format allows.

    Parameters
    ----------
    columns
        Which columns, in which order.
    format_name, brief, quiet
        See `choose_format`.
    registry
        Where formats come from.

    Raises
    ------
    UsageError
        If there is no such format or option, or it writes bytes and `stream` is a terminal.
    """
    stream = stream or sys.stdout
    chosen = choose_format(registry, format_name, brief=brief, quiet=quiet)
    refuse_terminal(chosen, stream)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name shows its escape
    chosen.write(rows, tuple(columns), cast("TextIO", _Shown(stream)) if stream.isatty() else stream)


class _Shown(io.TextIOBase):
    """A terminal, to which no format writes what it would obey: rows hold names of anybody's models."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write(plain(text))
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._terminal.fileno()

    def flush(self) -> None:
        self._terminal.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._terminal.encoding
