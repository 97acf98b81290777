"""Groups of commands, as the command line builds them before plugins add theirs."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout, suppress

import typer
from typer.core import TyperGroup
from typer.main import get_group


def group_of(*names: str) -> TyperGroup:
    """A group of commands that print their names."""
    app = typer.Typer()
    for name in names:
        app.command(name)(_saying(f"our own {name}"))
    return get_group(app)


def _saying(words: str) -> Callable[[], None]:
    return lambda: print(words)


def run(group: TyperGroup, *words: str) -> str:
    """The standard output of ``WORDS...``."""
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        group(args=list(words), prog_name="filterkit")
    return printed.getvalue()
