"""``filterkit export``: write weights as arrays for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import Expand, complete_address
from filterkit.errors import one_line


@command
def export(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Layers or filters to export, e.g. 'vgg16/block1_*'.", autocompletion=complete_address
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="FILE.npy (one layer), FILE.npz or FILE.safetensors."),
    ],
    expand: Expand = False,
) -> None:
    """Write filter banks (axes O I H W) as .npy, .npz or .safetensors."""
    with shell.workbench() as bench:
        bench.export(address, output, expand=expand)
    shell.say(one_line(f"wrote {output}"))
