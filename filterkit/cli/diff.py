"""``filterkit diff``: the differences between two models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.maps_output import check_picture, draw_result
from filterkit.cli.support.shared_options import (
    Colormap,
    Renderer,
    ResultNormalizer,
    Scale,
    complete_address,
)
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

BRIEF = ("address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale")


@command
def diff(
    shell: Shell,
    a: Annotated[
        str,
        typer.Argument(
            help="A model, or MODEL/LAYER; LAYER may be a pattern.", autocompletion=complete_address
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(help="The model or layers to compare it with.", autocompletion=complete_address),
    ],
    match: Annotated[
        Literal["name", "position", "assignment"],
        typer.Option(
            help="How to pair layers: by name or by position. assignment also pairs permuted filters "
            "within them."
        ),
    ] = "name",
    level: Annotated[
        Literal["layer", "filter"], typer.Option(help="One row per layer or per filter.")
    ] = "layer",
    tolerance: Annotated[
        float,
        typer.Option(help="Relative L2 distance above which a filter counts as changed."),
    ] = 1e-5,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture file for the most different filters, side by side."),
    ] = None,
    normalizer: ResultNormalizer = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
) -> None:
    """Compare the filters of two models."""
    style = {"renderer": renderer, "colormap": colormap, "scale": scale}
    check_picture(shell, output, normalizer, **style)
    with shell.workbench() as bench:
        rows = bench.diff(a, b, match=match, level=level, tolerance=tolerance)
        if output:
            draw_result(shell, bench, rows, ("diff", output), normalizer, **style)
    if rows.not_finite:
        shell.say(f"skipped, with NaN or infinity: {rows.not_finite:,} pairs of filters")
    _report_left_out(shell, rows)
    shell.rows(rows, rows.columns, brief=(*BRIEF, "moved" if match == "assignment" else "changed"))


def _report_left_out(shell: Shell, rows: Iterable[Row]) -> None:
    """Report which layers were not compared, in one line per reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            reasons.setdefault(row["reason"], []).append(row["address_a"] or row["address_b"])
    for reason, names in reasons.items():
        some = names[0] if len(names) == 1 else f"{len(names)} layers ({names[0]}, …)"
        shell.say(one_line(f"not compared: {some}: {reason}"))
