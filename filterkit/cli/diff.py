"""``filterkit diff``: the differences between a model and others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    words,
)
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.results.diff import Differences

BRIEF = {
    "weights": ("address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale"),
    "response": ("address_a", "address_b", "cka", "correlation", "correlation_min"),
}


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
    more: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[C]...", help="More models, each compared with A.", autocompletion=complete_address
        ),
    ] = None,
    by: By = "weights",
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
    observation: ComparedObservation = None,
    observation_b: Annotated[
        str | None,
        typer.Option(
            help="With --by response, name of B's observation (default: the newest of the same pictures)."
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Condition on columns of the rows, as one quoted argument, e.g. "
            '"cosine < 0.9 and changed > 0".'
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Columns to sort by, e.g. cosine or model_b,-max_abs; -COLUMN for descending order."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Maximum number of rows.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture file for the most different filters of these rows, side by side.",
        ),
    ] = None,
    normalizer: ResultNormalizer = None,
    renderer: Renderer = None,
    colormap: Colormap = None,
    scale: Scale = None,
    quality: Quality = None,
) -> None:
    """Compare the filters of a model with those of others.

    By response, filters are compared by the correlation of their mean
    responses to the pictures over which both models were observed, and
    layers by linear centred kernel alignment (CKA).
    """
    style = Style(normalizer, renderer, colormap, scale, quality)
    check_picture(shell, output, style)
    with shell.workbench() as bench:
        rows = bench.diff(
            *(a, b, *(more or ())),
            by=by,
            match=match,
            level=level,
            tolerance=tolerance,
            observation=observation,
            observation_b=observation_b,
            where=where,
            sort=sort,
            limit=limit,
        )
        if output is not None and not rows:
            shell.say(one_line(f"no rows were selected, so {output} was not written"))
        elif output is not None:
            draw_result(shell, bench, rows, ("diff", output), style)
    if rows.not_finite:
        of = "pairs of filters" if by == "weights" else "filters"
        shell.say(f"skipped, with NaN or infinity: {rows.not_finite:,} {of}")
    _report_left_out(shell, rows, several=bool(more))
    asked = [name.removeprefix("-") for name in words(sort or "") if name.removeprefix("-") in rows.columns]
    brief = (*BRIEF[by], "moved" if match == "assignment" else "changed", *asked)
    shown = tuple(name for name in dict.fromkeys(brief) if name in rows.columns)
    shell.rows(rows, rows.columns, brief=shown)


def _report_left_out(shell: Shell, rows: Differences, *, several: bool) -> None:
    """Report which layers were not compared, in one line per model and reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for pair in rows.pairs:
        one = pair.a or pair.b
        if pair.reason and one:
            reasons.setdefault((pair.model_b, pair.reason), []).append(one.address)
    for (model, reason), names in reasons.items():
        some = names[0] if len(names) == 1 else f"{len(names)} layers ({names[0]}, …)"
        compared = f"compared with {model}" if several else "compared"
        shell.say(one_line(f"not {compared}: {some}: {reason}"))
