"""``filterkit models``: list the models of the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_model

BRIEF = ("model", "layers", "filters", "kernels", "parameters", "skipped", "input_shape", "license")


@command
def models(
    shell: Shell,
    model: Annotated[
        str,
        typer.Argument(
            help="A model, or a pattern such as 'resnet*' (default: all).", autocompletion=complete_model
        ),
    ] = "*",
) -> None:
    """List the models in the catalog."""
    with shell.workbench() as bench:
        rows = bench.models(model)
    shell.rows(rows, rows.columns, brief=BRIEF)
