"""``filterkit layers``: list the layers of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address

BRIEF = ("layer", "kernel_shape", "in_channels", "filters", "parameters", "receptive_field", "jump")


@command
def layers(
    shell: Shell,
    model: Annotated[
        str,
        typer.Argument(
            help="MODEL or MODEL/LAYER; both may be patterns, e.g. 'vgg16/block3_*'.",
            autocompletion=complete_address,
        ),
    ],
    skipped: Annotated[
        bool,
        typer.Option("--skipped", help="List the layers that could not be extracted instead, and why."),
    ] = False,
) -> None:
    """List layers with filter shapes, parameters and receptive fields."""
    with shell.workbench() as bench:
        rows = bench.skipped(model) if skipped else bench.layers(model)
    several = len({row["model"] for row in rows}) > 1
    brief = None if skipped else ("model", *BRIEF) if several else BRIEF
    shell.rows(rows, rows.columns, brief=brief)
