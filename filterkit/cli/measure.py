"""``filterkit measure``: compute metrics of models that are already in the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_model


@command
def measure(
    shell: Shell,
    model: Annotated[
        str,
        typer.Argument(help="Model name, or a pattern, e.g. '*'.", autocompletion=complete_model),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric to compute again; repeatable (default: all that are missing)."),
    ] = None,
) -> None:
    """Compute metrics missing from catalogued models."""
    with shell.workbench() as bench:
        rows = bench.measure(model, metric)
    failed = list(dict.fromkeys(column for row in rows for column in row["unmeasured"]))
    if failed:
        shell.say(f"{', '.join(failed)}: not computed")
    elif not any(row["columns"] for row in rows):
        shell.say("nothing to compute: no metric is missing")
    shell.rows(rows, rows.columns)
    if failed:
        raise typer.Exit(1)
