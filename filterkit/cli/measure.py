"""``filterkit measure``: metrics of models that are in the catalog already."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_model


@command
def measure(
    shell: Shell,
    model: Annotated[
        str,
        typer.Argument(help="Name in the catalog, or a pattern, e.g. '*'.", autocompletion=complete_model),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric to measure again; may be repeated (default: all that are missing)."),
    ] = None,
) -> None:
    """Measure models that were added before there were these metrics."""
    with shell.workbench() as bench:
        rows = bench.measure(model, metric)
    failed = list(dict.fromkeys(column for row in rows for column in row["unmeasured"]))
    if failed:
        shell.say(f"{', '.join(failed)}: not measured")
    elif not any(row["columns"] for row in rows):
        shell.say("nothing to measure: no metric is missing")
    shell.rows(rows, rows.columns)
    if failed:
        raise typer.Exit(1)
