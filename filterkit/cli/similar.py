"""``filterkit similar``: find the nearest neighbours of a kernel or a filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import Style, check_picture, draw_result
from filterkit.cli.support.shared_options import (
    By,
    Colormap,
    ComparedObservation,
    Quality,
    Renderer,
    ResultNormalizer,
    Scale,
    complete_address,
)

BRIEF = ("address", "similarity", "transform")

Level = Literal["kernel", "filter"]


@command
def similar(
    shell: Shell,
    query: Annotated[
        str,
        typer.Argument(
            help="Filter or kernel to search for: an address, e.g. vgg16/block1_conv1/3 or "
            "vgg16/block1_conv1/3/0, an .npy file, or numbers, e.g. '[[-1,0,1],[-2,0,2],[-1,0,1]]'.",
            autocompletion=complete_address,
        ),
    ],
    among: Annotated[
        str,
        typer.Option(help="Layers to search, e.g. 'vgg16/block1_*'.", autocompletion=complete_address),
    ] = "*",
    by: By = "weights",
    level: Annotated[
        Level | None,
        typer.Option(help="Compare single kernels or whole filters (default: whichever the query is)."),
    ] = None,
    invariant: Annotated[
        str,
        typer.Option(
            help="Differences to ignore, separated by commas: scale, sign, flip (left-right) and rotate "
            "(quarter turns); '' for none."
        ),
    ] = "scale",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows.")] = 10,
    observation: ComparedObservation = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture file for the results (.png .jpg .webp .svg .pdf .txt)."),
    ] = None,
    normalizer: ResultNormalizer = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Find the kernels or filters most similar to a given one, by exact search of the catalog.

    Similarity is the cosine, which is undefined for kernels of zeros: they
    are left out. Without `scale` it is 2 x·y / (|x|² + |y|²), which is 0 for
    them. The transform maps a result onto the query: @90 is a quarter turn
    counter-clockwise, f a flip before it, and - a change of sign. Rotations
    and flips are in the plane of height and width, the last two axes of a
    kernel. Kernels that are not square there have half turns (@180) only,
    which reverse 1×N and 1-D kernels and turn N×1 ones upside down. The
    depth of a 3-D kernel is kept.

    By response, similarity is the correlation of the mean responses to the
    pictures of the query's observation, over all filters that were observed
    over these, whatever their size. Constant responses are left out.
    """
    style = Style(normalizer, renderer, colormap, scale, quality)
    check_picture(shell, output, style)
    with shell.workbench() as bench:
        found = bench.similar(
            *(query, among),
            by=by,
            level=level,
            invariant=invariant,
            limit=limit,
            observation=observation,
        )
        if found.not_finite:
            shell.say(f"skipped, with NaN or infinity: {found.not_finite:,} {found.query.level}s")
        if found.undefined:
            shell.say(f"skipped, with constant responses: {found.undefined:,} filters")
        if found.other_pictures:
            shell.say(f"not searched, observed over other pictures: {found.other_pictures:,} layers")
        if output:
            draw_result(shell, bench, found, ("similar", output), style)
        shell.rows(found, found.columns, brief=BRIEF)
