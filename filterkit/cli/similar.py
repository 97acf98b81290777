"""``filterkit similar``: the nearest neighbours of a kernel or a filter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_address
from filterkit.cli.support.drawing import draw
from filterkit.cli.support.shared_options import words

BRIEF = ("address", "similarity", "transform")

Level = Literal["kernel", "filter"]


@command
def similar(
    shell: Shell,
    query: Annotated[
        str,
        typer.Argument(
            help="One filter or kernel, e.g. vgg16/block1_conv1/3 or vgg16/block1_conv1/3/0; an .npy file; "
            "or numbers, e.g. '[[-1,0,1],[-2,0,2],[-1,0,1]]'.",
            autocompletion=complete_address,
        ),
    ],
    among: Annotated[
        str,
        typer.Option(help="Where to look, e.g. 'vgg16/block1_*'.", autocompletion=complete_address),
    ] = "*",
    level: Annotated[
        Level | None,
        typer.Option(help="Compare kernels, or whole filters (default: what the query is)."),
    ] = None,
    invariant: Annotated[
        str,
        typer.Option(
            help="What counts as the same: scale, sign, flip (left-right) and rotate (by quarter turns), "
            "separated by commas; '' for equal numbers only."
        ),
    ] = "scale",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture of them (.png .svg .pdf .txt)."),
    ] = None,
) -> None:
    """Find the kernels or filters most similar to one: exactly, among all of its size in the catalog.

    Similarity is the cosine, which kernels of zeros do not have: they are
    left out. Without `scale` it is 2 x·y / (|x|² + |y|²), which is 0 for
    them. The transform brings what was found onto the query: @90 is a
    quarter turn counter-clockwise, f a flip before it, and - a change of
    sign. Turns and flips are in the plane of height and width, the last two
    axes of a kernel. Kernels that are not square there have half turns
    (@180) only: 1×N kernels, and 1-D ones just so, are reversed, and N×1
    ones upside down. A 3-D kernel keeps its depth.
    """
    with shell.workbench() as bench:
        found = bench.similar(query, among, level=level, invariant=words(invariant), limit=limit)
        if found.not_finite:
            shell.say(f"skipped, as they hold NaN or infinity: {found.not_finite:,} {found.query.level}s")
        if output:
            draw(shell, bench, [("similar", bench.sheet(found))], output)
        shell.rows(found, found.columns, brief=BRIEF)
