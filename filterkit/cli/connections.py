"""``filterkit connections``: which filters before excite and inhibit a filter, and which it does itself."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.piping import read_addresses
from filterkit.cli.support.shared_options import complete_address
from filterkit.errors import one_line


@command
def connections(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Filters or layers, e.g. vgg16/block3_conv1/7; - reads addresses from standard input.",
            autocompletion=complete_address,
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Number of rows of each filter, the strongest first.")] = 20,
    to: Annotated[
        bool,
        typer.Option("--to", help="The filters of later layers that read it, in place of those it reads."),
    ] = False,
) -> None:
    """Find which filters of the layers before excite and inhibit a filter most.

    weight_norm is the norm of the kernel between both filters; sign is 1 if
    its weights sum up to a positive number, which excites the later filter,
    and -1 if they sum up to a negative one, which inhibits it; share is the
    share of the squared norm of all kernels of the later filter. The
    channels are followed back through activations, pools, norms,
    concatenations and additions.
    """
    with shell.workbench() as bench:
        asked = [str(each) for each in read_addresses()[0]] if address == "-" else address
        found = bench.connections(asked, top=top, direction="to" if to else "from")
        for layer, reason in found.left_out.items():
            shell.say(one_line(f"left out {layer}: {reason}"))
        shell.rows(found, found.columns)
