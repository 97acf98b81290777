"""``filterkit layers``: list the layers of a model, or how they are connected."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_address
from filterkit.errors import UsageError, one_line

BRIEF = ("layer", "kernel_shape", "in_channels", "filters", "parameters", "receptive_field", "jump")
EDGES = ("from_address", "to_address", "via", "channel_offset", "tensor")


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
    edges: Annotated[
        bool,
        typer.Option("--edges", help="List which layers the output of each layer reaches instead."),
    ] = False,
) -> None:
    """List layers with filter shapes, parameters and receptive fields.

    With --edges: pairs of layers of which the second reads what the first
    makes; via has the operators between them, on the shortest way, and
    channel_offset is the first channel that the second reads from the
    first. An input or an output of the network has no address, but a
    tensor.
    """
    if skipped and edges:
        raise UsageError("--skipped and --edges are two lists", hint="choose one of them")
    with shell.workbench() as bench:
        if edges:
            found = bench.edges(model)
            for name, reason in found.left_out.items():
                shell.say(one_line(f"left out {name}: {reason}"))
            shell.rows(found, found.columns, brief=EDGES)
            return
        rows = bench.skipped(model) if skipped else bench.layers(model)
        several = len({row["model"] for row in rows}) > 1
        brief = None if skipped else ("model", *BRIEF) if several else BRIEF
        shell.rows(rows, rows.columns, brief=brief)
