"""``filterkit duplicates``: filters of a layer that are copies of each other."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_address
from filterkit.cli.support.shared_options import words

BRIEF = ("address", "size", "min_cosine", "bias_shift", "parameters_saved", "macs_saved")


@command
def duplicates(
    shell: Shell,
    address: Annotated[
        str, typer.Argument(help="Where to look, e.g. 'vgg16/block1_*'.", autocompletion=complete_address)
    ] = "*",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Cosine from which on a filter is a copy of another.")
    ] = 0.98,
    invariant: Annotated[
        str, typer.Option(help="sign: a negative is a copy, too. Up to scale they always are.")
    ] = "",
) -> None:
    """Group filters that are the same up to scale, and say what pruning all but one of each saves.

    Of each group the first filter stays. Saved is what this layer has less,
    biases among it; the input channels of the next come on top. Biases are
    not compared: bias_shift is the largest distance between the planes at
    which a copy and the first begin to answer.
    """
    with shell.workbench() as bench:
        found = bench.duplicates(address, threshold, words(invariant))
    if found.not_finite:
        shell.say(f"passed over, with NaN or infinity in them: {found.not_finite:,} filters")
    shell.rows(found, found.columns, brief=BRIEF)
