"""``filterkit maps``: compute the feature maps of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command, print_error
from filterkit.cli.support.maps_output import COLUMNS, Style, check_style, deliver, is_array
from filterkit.cli.support.shared_options import (
    Colormap,
    MapsNormalizer,
    Provider,
    Quality,
    Renderer,
    Scale,
    Size,
    Threads,
    complete_address,
)
from filterkit.errors import ImageError, UsageError

At = Literal["post", "pre"]


@command
def maps(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Layers and filters, e.g. vgg16/block1_conv1/0:8; a model name alone means all its layers.",
            autocompletion=complete_address,
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="Pictures, folders of pictures, or FILE.npy with an array of shape (H, W, channels); "
            "list:FILE with a path per line, zip:FILE of pictures, npz:FILE with inputs of the graph.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file or folder, or FILE.npy (one layer) or FILE.npz (one array per layer) with "
            "arrays of shape (pictures, filters, H, W).",
        ),
    ] = None,
    at: Annotated[
        At, typer.Option(help="Take the maps after the activation (post) or before it (pre).")
    ] = "post",
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="FILE.npz with the inputs of the graph, passed on unchanged."),
    ] = None,
    size: Size = None,
    provider: Provider = "auto",
    threads: Threads = None,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Skip pictures whose files -o has already written, to resume a run; options are not "
            "compared.",
        ),
    ] = False,
    normalizer: MapsNormalizer = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Run a model on pictures and show the feature maps of its filters."""
    style = Style(normalizer, renderer, colormap, scale, quality)
    check_style(shell, style, output)
    if skip_existing and output is None:
        raise UsageError("--skip-existing has no effect without -o", hint="e.g. -o maps, a folder")
    unreadable: list[ImageError] = []

    def leave_out(error: ImageError) -> None:
        print_error(error.message, error.hint)
        unreadable.append(error)

    with shell.workbench() as bench:
        results = bench.iter_feature_maps(
            address,
            [*map(str, images or ())],  # a Path is always a file
            inputs=inputs,
            at=at,
            size=size,
            provider=provider,
            threads=threads,
            # Rows of an array are identified by position alone, so no picture may be left out.
            unreadable=None if is_array(output) else leave_out,
            skip_existing=output if skip_existing else None,
            renderer=renderer,
        )
        rows = list(deliver(shell, bench, results, output, style))
    shell.rows(rows, COLUMNS)
    if unreadable:
        raise typer.Exit(1)
