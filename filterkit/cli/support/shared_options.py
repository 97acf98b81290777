"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from filterkit.cli.support.completion import complete_normalizer, complete_renderer
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.cli.shell import Shell
    from filterkit.workbench import Workbench

Provider = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="ONNX Runtime execution provider to run on.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Number of CPU threads (default: chosen by ONNX Runtime).")
]
Normalizer = Annotated[
    str,
    typer.Option(
        help="How values map to brightness, e.g. symmetric:per=filter.",
        autocompletion=complete_normalizer,
    ),
]
MapsNormalizer = Annotated[
    str | None,
    typer.Option(
        help="How values map to brightness (default: minmax:per=filter; minmax for maps of one value).",
        autocompletion=complete_normalizer,
    ),
]
Renderer = Annotated[
    str | None,
    typer.Option(
        help="grid, mosaic, terminal or a plugin's (default: chosen by the output).",
        autocompletion=complete_renderer,
    ),
]
Colormap = Annotated[str | None, typer.Option(help="Matplotlib colormap, e.g. RdBu_r.")]
Scale = Annotated[int | None, typer.Option(min=1, help="Pixels per value, for the mosaic renderer.")]


def words(text: str) -> tuple[str, ...]:
    """Split the value of an option at commas; empty if the value is."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def say_what_is_missing(shell: Shell, bench: Workbench, address: str, question: str) -> None:
    """Name the models of `address` that lack a metric used in `question`, and how to compute it."""
    missing = bench.unmeasured(address, question) if question else []
    if missing:
        alone = len(missing) == 1
        models = missing[0] if alone else f"'{address.partition('/')[0]}'"
        lack = f"{missing[0]} lacks" if alone else f"{len(missing)} models lack"
        line = f"{lack} requested metrics: `filterkit measure {models}` computes them"
        shell.say(one_line(line))
