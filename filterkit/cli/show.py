"""``filterkit show``: draw filters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.completion import complete_address
from filterkit.cli.drawing import draw
from filterkit.cli.options import Colormap, Normalizer, Renderer, Scale
from filterkit.cli.shell import Shell, command
from filterkit.errors import UsageError

Channels = Literal["separate", "rgb", "first"]


@command
def show(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(help="Filters to draw, e.g. vgg16/block1_conv1/0:6.", autocompletion=complete_address),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Picture (.png .svg .pdf .txt, or what plugins write), or a folder."
        ),
    ] = None,
    normalizer: Normalizer = "minmax",
    renderer: Renderer = None,
    channels: Annotated[
        Channels,
        typer.Option(help="One picture per kernel, one colour picture per filter, or first kernels."),
    ] = "separate",
    colormap: Colormap = None,
    scale: Scale = None,
) -> None:
    """Draw filters as pictures; on a terminal without -o, right there."""
    if colormap and channels == "rgb":
        raise UsageError("--colormap does nothing for colour pictures", hint="leave out one of the two")
    with shell.workbench() as bench:
        sheets = bench.sheets(address, normalizer=normalizer, channels=channels)
        draw(shell, bench, sheets, output, renderer=renderer, colormap=colormap, scale=scale)
