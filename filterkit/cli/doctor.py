"""``filterkit doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

import typer

from filterkit.cli.shell import Shell, command


@command
def doctor(shell: Shell) -> None:
    """Check versions, providers, catalog, store and plugins; exit 1 where something is broken."""
    from filterkit.diagnosis import examine

    report = examine(shell.catalog)
    if shell.format == "table":
        _print(report)
    else:
        shell.rows([report], report.keys())
    if report["faults"]:
        raise typer.Exit(1)
