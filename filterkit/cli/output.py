"""Rows to stdout, in the format the user chose."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

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
        If there is no such format or option.
    """
    stream = stream or sys.stdout
    chosen = choose_format(registry, format_name, brief=brief, quiet=quiet)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a name shows its escape
    chosen.write(rows, tuple(columns), stream)
