"""Draw sheets to files or on the terminal, and report each file."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.cli.shell import Shell
from filterkit.errors import UsageError, one_line, plain

if TYPE_CHECKING:
    from filterkit.records import TileSheet
    from filterkit.workbench import Workbench


def draw(
    shell: Shell,
    bench: Workbench,
    sheets: Iterable[tuple[str, TileSheet]],
    output: Path | None,
    *,
    renderer: str | None = None,
    colormap: str | None = None,
    scale: int | None = None,
) -> list[Path]:
    """Draw named sheets to `output`, or to stdout if it is None; returns the files written.

    Raises
    ------
    UsageError
        Several sheets for one file, or binary output to a terminal.
    """
    options: dict[str, Any] = {"colormap": colormap, "scale": scale}
    options = {name: value for name, value in options.items() if value is not None}
    if output is None:
        _refuse_terminal(bench, renderer)
        for _, sheet in sheets:
            _print(bench.render(sheet, renderer or f"terminal:width={_terminal_width()}", **options))
        return []
    files = []
    for path in bench.draw(sheets, output, renderer, **options):
        shell.say(one_line(f"wrote {path}"))
        files.append(path)
    return files


def _refuse_terminal(bench: Workbench, renderer: str | None) -> None:
    """Refuse to write binary pictures to a terminal."""
    suffix = bench.suffixes(renderer)[0] if renderer and sys.stdout.isatty() else ".txt"
    if suffix != ".txt":
        raise UsageError(
            f"renderer '{renderer}' writes binary pictures", hint=f"write them to a file: -o FILE{suffix}"
        )


def _print(data: bytes) -> None:
    """Write a drawing to stdout; on a terminal, escape all control sequences but colours."""
    if sys.stdout.isatty():
        parts = re.split(r"(\x1b\[[0-9;]*m)", data.decode("utf-8", "replace"))
        data = "".join(part if number % 2 else plain(part) for number, part in enumerate(parts)).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _terminal_width() -> int:
    return max(shutil.get_terminal_size().columns, 20)  # the renderer's minimum
