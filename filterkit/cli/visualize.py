"""``filterkit visualize``: pictures that filters respond to most, found by optimization."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import Style, check_style, draw
from filterkit.cli.support.shared_options import (
    Provider,
    Quality,
    Renderer,
    Scale,
    Threads,
    complete_address,
    words,
)
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.results.visualize import Visualization
    from filterkit.workbench import Workbench

COLUMNS = (
    *("address", "objective", "size", "steps", "seed", "start", "best", "last"),
    *("seconds", "provider", "path"),
)


@command
def visualize(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="A filter, some or a layer, e.g. vgg16/block3_conv1/7 or 'vgg16/*/0:4'.",
            autocompletion=complete_address,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file, a folder for a file each, FILE.npy with an array of shape (pictures, "
            "channels, height, width), or FILE.npz with an array per picture.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Size of the pictures: N or HxW (default: 128, or what the graph fixes); of signals, their "
            "number of samples (default: 1024)."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimization.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture and the transforms.")] = 0,
    objective: Annotated[
        Literal["channel", "unit"],
        typer.Option(help="What is maximized: the mean of the filter's map, or the value in its middle."),
    ] = "channel",
    diversity: Annotated[int, typer.Option(min=1, help="Number of different pictures per filter.")] = 1,
    at: Annotated[
        Literal["post", "pre"],
        typer.Option(help="Maximize the response after the activation (post) or before it (pre)."),
    ] = "post",
    rules: Annotated[
        str,
        typer.Option(help="Gradient rules that replace others for their operators, e.g. plugin/name."),
    ] = "",
    provider: Provider = "auto",
    threads: Threads = None,
    renderer: Renderer = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Optimize pictures until filters respond to them as much as possible."""
    style = Style(None, renderer, None, scale, quality)
    check_style(shell, style, output)
    with shell.workbench() as bench:
        if output is not None:
            _check_file(bench, output, style)

        def deliver(result: Visualization) -> None:
            for note in result.notes:
                shell.say(one_line(note))
            shell.rows(_written(shell, bench, result, output, style), COLUMNS)

        def deliver_unfinished(result: Visualization) -> None:
            made = min(result.steps)
            what = f"{made} of {steps} steps" if made < steps else f"{len(result)} pictures"
            shell.say(f"interrupted after {what}")
            deliver(result)

        deliver(
            bench.visualize(
                address,
                size=size,
                steps=steps,
                seed=seed,
                objective=objective,
                diversity=diversity,
                at=at,
                rules=words(rules),
                provider=provider,
                threads=threads,
                interrupted=deliver_unfinished,
            )
        )


def _check_file(bench: Workbench, output: Path, style: Style) -> None:
    """Refuse a file that nothing writes before the work begins, which can take hours."""
    from filterkit.workbench import check_visualization_file

    check_visualization_file(bench, output, style.renderer)


def _written(
    shell: Shell, bench: Workbench, result: Visualization, output: Path | None, style: Style
) -> list[Row]:
    """Write the pictures, or draw them on a terminal; the row of each."""
    if output is None:
        if sys.stdout.isatty():
            draw(shell, bench, [("visualization", bench.sheet(result))], None, style)
        return [*result.to_rows()]
    paths = bench.write_visualization(result, output, renderer=style.renderer, **style.options)
    for path in paths:
        shell.say(one_line(f"wrote {path}"))
    return [*result.to_rows(paths)]
