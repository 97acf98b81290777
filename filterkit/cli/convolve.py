"""``filterkit convolve``: apply one filter to one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import COLUMNS, Style, check_style, deliver
from filterkit.cli.support.shared_options import (
    Colormap,
    MapsNormalizer,
    Provider,
    Quality,
    Renderer,
    Scale,
    Threads,
    complete_address,
)


@command
def convolve(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="A filter or kernel, e.g. classic/edge_sobel_x or vgg16/block2_conv1/0/5.",
            autocompletion=complete_address,
        ),
    ],
    image: Annotated[
        Path, typer.Argument(help="A picture, or a FILE.npy with an array of shape (H, W, channels).")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file, or FILE.npy or FILE.npz with an array of shape (pictures, filters, H, W).",
        ),
    ] = None,
    per_channel: Annotated[
        bool,
        typer.Option(
            "--per-channel", help="Apply a single kernel to R, G and B separately instead of to gray."
        ),
    ] = False,
    size: Annotated[
        str, typer.Option(help="Size to resize the picture to: N, HxW or original.")
    ] = "original",
    provider: Provider = "auto",
    threads: Threads = None,
    normalizer: MapsNormalizer = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Apply a filter to a picture, as a Conv node in ONNX Runtime."""
    style = Style(normalizer, renderer, colormap, scale, quality)
    check_style(shell, style, output)
    with shell.workbench() as bench:
        result = bench.convolve(
            address, image, per_channel=per_channel, size=size, provider=provider, threads=threads
        )
        rows = list(deliver(shell, bench, [result], output, style))
    shell.rows(rows, COLUMNS)
