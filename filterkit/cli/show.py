"""``filterkit show``: draw filters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.completion import complete_address, complete_normalizer, complete_renderer
from filterkit.cli.drawing import draw
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
        typer.Option("-o", "--output", help="Picture (.png .svg .pdf .txt), or a folder for several layers."),
    ] = None,
    normalizer: Annotated[
        str, typer.Option(help="E.g. minmax, symmetric:per=filter.", autocompletion=complete_normalizer)
    ] = "minmax",
    renderer: Annotated[
        str | None,
        typer.Option(
            help="grid, mosaic, terminal or a plugin's (default: what fits).",
            autocompletion=complete_renderer,
        ),
    ] = None,
    channels: Annotated[
        Channels,
        typer.Option(help="One picture per kernel, one colour picture per filter, or first kernels."),
    ] = "separate",
    colormap: Annotated[str | None, typer.Option(help="A matplotlib colormap, e.g. RdBu_r.")] = None,
    scale: Annotated[int | None, typer.Option(min=1, help="Screen pixels per weight (mosaic).")] = None,
) -> None:
    """Draw filters as pictures; on a terminal without -o, right there."""
    if colormap and channels == "rgb":
        raise UsageError("--colormap does nothing for colour pictures", hint="leave out one of the two")
    with shell.workbench() as bench:
        sheets = bench.sheets(address, normalizer=normalizer, channels=channels)
        draw(shell, bench, sheets, output, renderer=renderer, colormap=colormap, scale=scale)
