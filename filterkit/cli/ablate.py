"""``filterkit ablate``: what changes at an output without each filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command, print_error
from filterkit.cli.support.maps_output import Style, check_picture, draw_result
from filterkit.cli.support.piping import read_addresses
from filterkit.cli.support.shared_options import (
    Provider,
    Quality,
    Renderer,
    ResultNormalizer,
    Scale,
    Size,
    Threads,
    complete_address,
    words,
)
from filterkit.errors import ImageError, one_line

BRIEF = ("address", "before", "after", "change", "rank", "images")

At = Literal["post", "pre"]


@command
def ablate(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="Filters, layers or a model, e.g. vgg16/block3_conv3; - reads addresses from standard "
            "input.",
            autocompletion=complete_address,
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="Pictures, folders of pictures, or FILE.npy with an array of shape (H, W, channels); "
            "list:FILE with a path per line, zip:FILE of pictures.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="What is measured: an output, MODEL@OUTPUT:INDEX, or filters of a later layer, by address "
            "(default: the largest entry of the first output, for each picture).",
            autocompletion=complete_address,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of filters with the largest changes.")] = 20,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Estimate all changes in one pass, by the gradient times the activation, and compare some.",
        ),
    ] = False,
    at: Annotated[
        At,
        typer.Option(
            help="Zero the map before the activation (pre), like weights and bias, or after it (post)."
        ),
    ] = "pre",
    position: Annotated[
        str, typer.Option(help="Position of a target with positions: max (its largest value), mean or Y,X.")
    ] = "max",
    after_softmax: Annotated[
        bool,
        typer.Option(
            "--after-softmax", help="Measure the probability instead of the score before a final Softmax."
        ),
    ] = False,
    rules: Annotated[
        str,
        typer.Option(help="With --estimate: gradient rules that replace others for their operators."),
    ] = "",
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="FILE.npz with the inputs of the graph, passed on unchanged."),
    ] = None,
    size: Size = None,
    provider: Provider = "auto",
    threads: Threads = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture file for the rows (.png .jpg .webp .svg .pdf .txt)."),
    ] = None,
    normalizer: ResultNormalizer = None,
    renderer: Renderer = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Measure what changes at an output of the network without each filter.

    The feature map of a filter is zeroed inside the network. before and
    after are the values of the target with and without the filter; change is
    after - before. Over several pictures they are means. The rows with the
    largest absolute changes come first.
    """
    style = Style(normalizer, renderer, scale=scale, quality=quality)
    check_picture(shell, output, style)
    unreadable: list[ImageError] = []

    def leave_out(error: ImageError) -> None:
        print_error(error.message, error.hint)
        unreadable.append(error)

    with shell.workbench() as bench:
        found = bench.ablate(
            [str(each) for each in read_addresses()[0]] if address == "-" else address,
            [*map(str, images or [])],  # a Path is always a file
            inputs=inputs,
            target=target,
            top=top,
            estimate=estimate,
            at=at,
            position=position,
            after_softmax=after_softmax,
            rules=words(rules),
            size=size,
            provider=provider,
            threads=threads,
            unreadable=leave_out,
        )
        for note in found.notes:
            shell.say(one_line(note))
        if estimate:
            shell.say(_agreement(found.rank_correlation, found.sample))
        if output and found:
            draw_result(shell, bench, found, ("ablate", output), style)
        shell.rows(found, found.columns)
    if unreadable:
        raise typer.Exit(1)


def _agreement(correlation: float | None, sample: int) -> str:
    """How well estimates order the filters, for a message."""
    if sample < 2:
        return "the estimates cannot be compared with exact changes: it takes two filters"
    if correlation is None:
        return "the estimates cannot be compared with exact changes: all of them are equal"
    return (
        f"estimated changes; rank correlation with the exact ones, for {sample} filters and the first "
        f"picture: {correlation:.3f} (Spearman)"
    )
