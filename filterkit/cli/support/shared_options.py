"""Options that several commands share, each with its words in one place."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from filterkit.cli.support.completion import complete_normalizer, complete_renderer

Provider = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to run.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads (default: ONNX Runtime's).")]
Normalizer = Annotated[
    str,
    typer.Option(
        help="How numbers become light and dark, e.g. symmetric:per=filter.",
        autocompletion=complete_normalizer,
    ),
]
MapsNormalizer = Annotated[
    str | None,
    typer.Option(
        help="How numbers become light and dark (default: minmax:per=filter; maps of one value: minmax).",
        autocompletion=complete_normalizer,
    ),
]
Renderer = Annotated[
    str | None,
    typer.Option(
        help="grid, mosaic, terminal or a plugin's (default: what fits).", autocompletion=complete_renderer
    ),
]
Colormap = Annotated[str | None, typer.Option(help="A matplotlib colormap, e.g. RdBu_r.")]
Scale = Annotated[int | None, typer.Option(min=1, help="Screen pixels per value (mosaic).")]


def words(text: str) -> tuple[str, ...]:
    """The words of an option that takes several, separated by commas; none where it is empty."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
