"""Run time of whole command-line processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measuring import Line, process, ratio

from filterkit.cli.app import COMMANDS

COUNT = sum(map(len, COMMANDS.values())) + 1  # and the group of plugin commands
EMPTY = f"""
import typer
app = typer.Typer(no_args_is_help=True)
for number in range({COUNT}):
    def empty() -> None: "A command that does nothing."
    app.command(f"command{{number}}", rich_help_panel=f"Panel {{number % {len(COMMANDS) + 1}}}")(empty)
app(prog_name="empty")
"""
LIBRARIES = "import typer, sqlalchemy, rich.table"
FILTERKIT = (sys.executable, "-m", "filterkit")


def lines(catalog: Path) -> Iterator[Line]:
    yield Line(
        "filterkit --help, the process",
        "a Typer app with as many no-op commands",
        ratio(process([*FILTERKIT, "--help"]), process([sys.executable, "-c", EMPTY, "--help"]), 25),
        1.3,
    )
    command = [*FILTERKIT, "layers", "vgg16", "--catalog", str(catalog)]
    yield Line(
        "filterkit layers vgg16, the process",
        f'python -c "{LIBRARIES}"',
        ratio(process(command), process([sys.executable, "-c", LIBRARIES]), 25),
        1.5,
    )
