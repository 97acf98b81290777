"""``filterkit stats``: list the metrics of layers, and chart them over depth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import Observation, complete_address, say_what_is_missing
from filterkit.errors import UsageError, one_line

BRIEF = (
    "layer", "filters", "sparsity", "variance_entropy_normalized", "orthogonality", "stable_rank", "dead",
    "edge", "log_norm", "log_spectral_norm",
)  # fmt: skip
SUFFIXES = (".png", ".svg", ".pdf")


@command
def stats(
    shell: Shell,
    address: Annotated[
        str,
        typer.Argument(
            help="MODEL or MODEL/LAYER; both may be patterns, e.g. 'vgg16/block3_*'.",
            autocompletion=complete_address,
        ),
    ] = "*",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Chart file (.png .svg .pdf): metrics over depth or, for one layer, distributions over its "
            "filters.",
        ),
    ] = None,
    observation: Observation = None,
) -> None:
    """List the metrics of layers: sparsity, diversity, orthogonality, dead filters and more."""
    if output and output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot write a chart to '{output}'", hint="use .png, .svg or .pdf")
    with shell.workbench() as bench:
        rows = bench.stats(address, observation=observation)
        if output:
            bench.save_stats_chart(rows, output)
            shell.say(one_line(f"wrote {output}"))
        say_what_is_missing(shell, address, bench.unmeasured(rows, " ".join((*rows.columns, "classic_type"))))
        several = len({row["model"] for row in rows}) > 1
        shell.rows(rows, rows.columns, brief=("model", *BRIEF) if several else BRIEF)
