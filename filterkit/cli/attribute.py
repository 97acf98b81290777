"""``filterkit attribute``: which pixels a filter, a layer or an output responds to."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command, print_error
from filterkit.cli.support.maps_output import Style, check_style, draw
from filterkit.cli.support.shared_options import (
    Colormap,
    Provider,
    Quality,
    Renderer,
    Scale,
    Size,
    Threads,
    complete_address,
    complete_attribution,
    complete_normalizer,
    words,
)
from filterkit.errors import ImageError, one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.results.attribute import Attributions
    from filterkit.workbench import Workbench

COLUMNS = ("target", "image", "method", "value", "position", "box", "sum", "seconds", "provider", "path")

At = Literal["post", "pre"]


@command
def attribute(
    shell: Shell,
    target: Annotated[
        str,
        typer.Argument(
            help="A filter, some or a layer, e.g. vgg16/block3_conv1/7, or an output of the network, "
            "MODEL@OUTPUT:INDEX, e.g. open-nsfw@0:1; MODEL@ is the largest entry of the first output.",
            autocompletion=complete_address,
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Pictures, folders of pictures, or FILE.npy with an array of shape (H, W, channels); "
            "list:FILE with a path per line, zip:FILE of pictures.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file, folder, FILE.npy with an array of shape (C, H, W), or FILE.npz with one per "
            "picture.",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="gradient, guided-backprop, integrated-gradients:steps=128, … (`filterkit plugins list`).",
            autocompletion=complete_attribution,
        ),
    ] = "gradient",
    position: Annotated[
        str,
        typer.Option(help="Position of the feature map: max (its largest value), mean (all), or Y,X."),
    ] = "max",
    at: Annotated[
        At, typer.Option(help="Attribute the filter after its activation (post) or before (pre).")
    ] = "post",
    rules: Annotated[
        str,
        typer.Option(help="Gradient rules that replace others for their operators, e.g. plugin/name."),
    ] = "",
    randomize: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Sanity check: replace the weights by random ones from this layer on.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random weights.")] = 0,
    after_softmax: Annotated[
        bool,
        typer.Option(
            "--after-softmax", help="Attribute the probability instead of the score before a final Softmax."
        ),
    ] = False,
    size: Size = None,
    provider: Provider = "auto",
    threads: Threads = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            help="How values map to colours (default: symmetric, so that zero is neutral).",
            autocompletion=complete_normalizer,
        ),
    ] = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Show which pixels of a picture a filter, a layer or an output of the network responds to."""
    style = Style(normalizer, renderer, None, scale, quality)
    check_style(shell, style, output)
    unreadable: list[ImageError] = []

    def leave_out(error: ImageError) -> None:
        print_error(error.message, error.hint)
        unreadable.append(error)

    with shell.workbench() as bench:
        results = bench.iter_attributions(
            target,
            [*map(str, images)],  # a Path is always a file
            method=method,
            position=position,
            at=at,
            rules=words(rules),
            randomize=randomize,
            seed=seed,
            after_softmax=after_softmax,
            size=size,
            provider=provider,
            threads=threads,
            unreadable=leave_out,
        )
        coloured = (replace(each, colormap=colormap) for each in results)
        rows: list[Row] = []
        try:
            rows.extend(_deliver(shell, bench, coloured, output, style))
        except BaseException:
            if rows:
                shell.rows(rows, COLUMNS)
            raise
    shell.rows(rows, COLUMNS)
    if unreadable:
        raise typer.Exit(1)


def _deliver(
    shell: Shell,
    bench: Workbench,
    results: Iterable[Attributions],
    output: Path | None,
    style: Style,
) -> Iterator[Row]:
    """Write each result when it is ready, or draw it on a terminal; yield a row for each."""
    said: set[str] = set()

    def with_notes() -> Iterator[Attributions]:
        for result in results:
            for note in result.notes:
                if note not in said:
                    shell.say(one_line(note))
                said.add(note)
            yield result

    if output is None:
        for result in with_notes():
            if sys.stdout.isatty():
                draw(shell, bench, [(result.image_name, bench.sheet(result, style.normalizer))], None, style)
            yield result.to_row()
        return
    written = bench.write_attributions(
        with_notes(), output, normalizer=style.normalizer, renderer=style.renderer, **style.options
    )
    reported: set[Path] = set()
    for result, path in written:
        if path not in reported:  # an .npz file has all of them
            shell.say(one_line(f"wrote {path}"))
        reported.add(path)
        yield result.to_row(path)
