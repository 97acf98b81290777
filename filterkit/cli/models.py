"""``filterkit models``: list the models of the catalog."""

from __future__ import annotations

from filterkit.cli.shell import Shell, command

BRIEF = ("model", "layers", "filters", "kernels", "parameters", "skipped", "input_shape", "license")


@command
def models(shell: Shell) -> None:
    """List the models in the catalog."""
    with shell.workbench() as bench:
        rows = bench.models()
    shell.rows(rows, rows.columns, brief=BRIEF)
