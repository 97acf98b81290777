"""``filterkit responses``: the responses of filters to each picture of an observation, or per class."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address

BRIEF = ("address", "image", "label", "pictures", "mean", "max")


@command
def responses(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="A filter, some or a layer, e.g. vgg16/block3_conv1/7.", autocompletion=complete_address
        ),
    ],
    observation: Annotated[
        str | None, typer.Option(help="Name of the observation (default: the newest of the layer).")
    ] = None,
    by: Annotated[
        Literal["picture", "class"],
        typer.Option(help="A row per picture and filter, or per filter and class."),
    ] = "picture",
    limit: Annotated[int | None, typer.Option(min=0, help="Maximum number of rows.")] = None,
) -> None:
    """List the responses of filters to each picture of an observation, or per class."""
    with shell.workbench() as bench:
        names, rows = bench.iter_responses(address, observation=observation, by=by, limit=limit)
        shell.rows(rows, names, brief=[name for name in BRIEF if name in names])
