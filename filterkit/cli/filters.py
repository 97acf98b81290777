"""``filterkit filters``: one row per filter, with conditions and an order."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.completion import complete_address
from filterkit.cli.shell import Shell, command

BRIEF = ("address", "label", "mean", "std", "min", "max", "l2_norm")


@command
def filters(
    shell: Shell,
    address: Annotated[
        str, typer.Argument(help="E.g. vgg16/block1_conv1 or 'vgg16/*/0:8'.", autocompletion=complete_address)
    ],
    where: Annotated[
        str | None,
        typer.Option(help='Condition over filter and layer columns, e.g. "l2_norm > 1 and bias < 0".'),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="Column to sort by; -COLUMN for largest first.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
) -> None:
    """List filters with their measurements."""
    with shell.workbench() as bench:
        columns, rows = bench.iter_filters(address, where=where, sort=sort, limit=limit)
        shell.rows(rows, columns, brief=BRIEF)
