"""``filterkit observations``: list the observations of models."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_model

BRIEF = ("model", "observation", "pictures", "layers", "filters", "left_out", "at", "finished")


@command
def observations(
    shell: Shell,
    model: Annotated[str, typer.Argument(help="Model name or pattern.", autocompletion=complete_model)] = "*",
) -> None:
    """List the observations of models, oldest first."""
    with shell.workbench() as bench:
        rows = bench.observations(model)
    shell.rows(rows, rows.columns, brief=BRIEF)
