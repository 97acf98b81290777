"""Drawings in files or on the terminal, with a line about each file."""

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
    """Draw named sheets to `output`, or on stdout where it is None; returns the files written.

    Raises
    ------
    UsageError
        Several sheets for one file, or a picture for a terminal.
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
    """Keep the bytes of pictures from a terminal."""
    suffix = bench.suffixes(renderer)[0] if renderer and sys.stdout.isatty() else ".txt"
    if suffix != ".txt":
        raise UsageError(f"'{renderer}' draws pictures, not text", hint=f"-o FILE{suffix} writes them")


def _print(data: bytes) -> None:
    """Write a drawing to stdout; on a terminal, of what that would obey only colours."""
    if sys.stdout.isatty():
        parts = re.split(r"(\x1b\[[0-9;]*m)", data.decode("utf-8", "replace"))
        data = "".join(part if number % 2 else plain(part) for number, part in enumerate(parts)).encode()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _terminal_width() -> int:
    return max(shutil.get_terminal_size().columns, 20)  # what the renderer takes at least
