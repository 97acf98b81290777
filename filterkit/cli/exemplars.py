"""``filterkit exemplars``: the pictures to which filters respond most."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import Style, check_picture, draw, draw_result
from filterkit.cli.support.shared_options import (
    Provider,
    Quality,
    Renderer,
    Scale,
    Threads,
    complete_address,
    complete_attribution,
    complete_normalizer,
)
from filterkit.errors import NotFoundError, UsageError, one_line

BRIEF = ("address", "rank", "value", "image", "label", "y", "x", "box")


MOST_NOTES = 3
"""Limit on the notes of the method that are reported; some methods have one per exemplar."""


@command
def exemplars(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="A filter, some or a layer, e.g. vgg16/block3_conv1/7.", autocompletion=complete_address
        ),
    ],
    observation: Annotated[
        str | None, typer.Option(help="Name of the observation (default: the newest of the layer).")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Number of exemplars per filter (default: all that were kept).")
    ] = None,
    lowest: Annotated[bool, typer.Option("--lowest", help="Show the lowest responses instead.")] = False,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER", help="Where to look for pictures that moved; they are found by their content."
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Draw each crop beside what in it drives the filter: gradient, guided-backprop, … "
            "(`filterkit plugins list`).",
            autocompletion=complete_attribution,
        ),
    ] = None,
    provider: Provider = "auto",
    threads: Threads = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file (.png .jpg .webp .svg .pdf .txt): a row per filter, with the receptive "
            "fields in the original pictures.",
        ),
    ] = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            help="How values map to brightness in the picture (default: minmax:per=filter).",
            autocompletion=complete_normalizer,
        ),
    ] = None,
    renderer: Renderer = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Show the pictures with the highest responses of filters, from an observation."""
    style = Style(normalizer, renderer, None, scale, quality)
    check_picture(shell, output, style)
    if method and not output and not sys.stdout.isatty():
        raise UsageError("--method has no effect without a picture", hint="name a file: -o FILE.png")
    running: dict[str, Any] = {"provider": provider, "threads": threads}
    for name, value in running.items():
        if not method and value not in ("auto", None):
            raise UsageError(
                f"--{name} has no effect without --method", hint="only the method runs the network"
            )
    with shell.workbench() as bench:
        found = bench.exemplars(
            address,
            observation=observation,
            top=top,
            lowest=lowest,
            pictures=pictures or [],
            method=method,
            **running,
        )
        for note in found.notes[:MOST_NOTES]:
            shell.say(one_line(note))
        if output:
            draw_result(shell, bench, found, ("exemplars", output), style)
        elif sys.stdout.isatty() and found[0]["box"] is not None:
            try:
                draw(shell, bench, [("exemplars", bench.sheet(found))], None, style)
            except NotFoundError as error:
                shell.say(one_line(f"{error.message}; {error.hint}"))
    if found.missing:
        count = len(found.missing)
        were = "1 picture was" if count == 1 else f"{count:,} pictures were"
        shell.say(
            one_line(
                f"{were} not found, e.g. {found.missing[0]}; --pictures FOLDER finds them by their content"
            )
        )
    shell.rows(found, found.columns, brief=BRIEF)
