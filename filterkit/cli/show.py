"""``filterkit show``: draw filters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import Style, check_style, draw, terminal_width
from filterkit.cli.support.piping import read_addresses
from filterkit.cli.support.shared_options import (
    Colormap,
    Expand,
    Quality,
    Renderer,
    Scale,
    complete_address,
    complete_normalizer,
)
from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.records import TileSheet
    from filterkit.workbench import Workbench

Channels = Literal["separate", "rgb", "first", "strongest", "factors"]


@command
def show(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Filters to draw, e.g. vgg16/block1_conv1/0:6; - reads addresses from standard input.",
            autocompletion=complete_address,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file (.png .jpg .webp .svg .pdf .txt or a plugin's format), or a folder.",
        ),
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            help="How values map to brightness, e.g. symmetric:per=filter (default: minmax, or symmetric "
            "with a diverging colormap; with - per tile, or symmetric per pair; with --expand symmetric per "
            "filter; of factors minmax per filter).",
            autocompletion=complete_normalizer,
        ),
    ] = None,
    renderer: Renderer = None,
    channels: Annotated[
        Channels | None,
        typer.Option(
            help="Draw every kernel (separate, the default), each filter in colour (rgb, the default with "
            "--expand), only its first kernel or that of largest norm (strongest, the default with -), or "
            "three groups of similar kernels as red, green and blue (factors)."
        ),
    ] = None,
    expand: Expand = False,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Draw filters to a picture file, or to the terminal without -o."""
    if colormap and channels in ("rgb", "factors"):
        raise UsageError("--colormap has no effect on colour pictures", hint="leave out one of the two")
    style = Style(normalizer, renderer, colormap, scale, quality)
    check_style(shell, style, output)
    # Without -o the sheets themselves are printed, with which a progress bar would interfere.
    with shell.workbench(progress=output is not None) as bench:
        sheets: Iterable[tuple[str, TileSheet]]
        if address == "-":
            addresses, left_out = read_addresses()
            if left_out:
                shell.say(f"skipped, as their layers were not compared: {left_out:,} rows")
            picked = bench.sheet(
                addresses, normalizer, channels=channels, colormap=style.colours, expand=expand
            )
            sheets = [("filters", picked)]
        elif expand and output is None and renderer is None:
            sheets = _terminal_sheets(bench, address, normalizer, channels, style.colours)
        else:
            sheets = bench.sheets(
                address, normalizer, channels=channels, colormap=style.colours, expand=expand
            )
        draw(shell, bench, sheets, output, style)


def _terminal_sheets(
    bench: Workbench, address: str, normalizer: str | None, channels: Channels | None, colormap: str | None
) -> Iterable[tuple[str, TileSheet]]:
    """Expanded filters, as many as fit: each takes time."""
    from filterkit.workbench import terminal_sheets

    return terminal_sheets(
        *(bench, address, normalizer),
        channels=channels,
        colormap=colormap,
        expand=True,
        width=terminal_width(),
    )
