"""``filterkit duplicates``: filters of a layer that duplicate each other."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address

BRIEF = ("address", "size", "min_cosine", "bias_shift", "parameters_saved", "macs_saved")


@command
def duplicates(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(help="Layers to search, e.g. 'vgg16/block1_*'.", autocompletion=complete_address),
    ] = "*",
    threshold: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Minimum cosine similarity at which two filters count as duplicates."
        ),
    ] = 0.98,
    invariant: Annotated[
        str,
        typer.Option(
            help="sign: also count the negative of a filter as a duplicate. Scale is always ignored."
        ),
    ] = "",
) -> None:
    """Group filters that are equal up to scale, and report what pruning the duplicates would save.

    The first filter of each group is kept. The savings are those of this
    layer, biases included; the input channels that the next layer no longer
    needs come on top. Biases are not compared: bias_shift is the largest
    distance between the planes at which a duplicate and the first filter
    begin to respond.
    """
    with shell.workbench() as bench:
        found = bench.duplicates(address, threshold, invariant)
    if found.not_finite:
        shell.say(f"skipped, with NaN or infinity: {found.not_finite:,} filters")
    shell.rows(found, found.columns, brief=BRIEF)
