"""Write rows to stdout in the chosen output format."""

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
        The columns to show by default; for formats with an option ``columns``.
    quiet
        Whether to suppress messages; for formats with an option ``quiet``.

    Raises
    ------
    UsageError
        There is no such format or option.
    """
    defaults = {"columns": tuple(brief) if brief else None, "quiet": quiet}
    known = {option.name for option in registry.find("format", spec.partition(":")[0]).options()}
    return registry.create(
        "format", spec, **{name: value for name, value in defaults.items() if name in known}
    )


def refuse_terminal(chosen: CheckedFormat, stream: TextIO) -> None:
    """Refuse to write a binary format to a terminal or a text-only stream.

    Raises
    ------
    UsageError
        `chosen` is binary, and `stream` is a terminal or has no underlying binary buffer.
    """
    if chosen.binary and (stream.isatty() or not hasattr(stream, "buffer")):
        name = chosen.contribution.name
        raise UsageError(f"'{name}' is a binary format", hint=f"redirect it to a file: > rows.{name}")


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
    """Write `rows` to `stream` (default: stdout), one by one if the format allows it.

    Parameters
    ----------
    columns
        Columns to write, in order.
    format_name, brief, quiet
        See `choose_format`.
    registry
        Provides the formats.

    Raises
    ------
    UsageError
        There is no such format or option, or it is binary and `stream` is a terminal.
    """
    stream = stream or sys.stdout
    chosen = choose_format(registry, format_name, brief=brief, quiet=quiet)
    refuse_terminal(chosen, stream)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # characters that it cannot encode become escapes
    out = cast("TextIO", _SafeTerminal(stream)) if stream.isatty() else stream
    chosen.write(rows, tuple(columns), out, getattr(rows, "types", None))


class _SafeTerminal(io.TextIOBase):
    """A terminal to which control sequences are written escaped: rows contain names from untrusted models."""

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
