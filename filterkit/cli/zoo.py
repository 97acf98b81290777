"""``filterkit zoo``: list the models that can be added by name."""

from __future__ import annotations

from filterkit.cli.shell import Shell, command

BRIEF = ("name", "bytes", "cached", "license", "sha256")


@command
def zoo(shell: Shell) -> None:
    """List the models that `filterkit add NAME` can download, with license, size and hash."""
    with shell.workbench() as bench:
        rows = bench.zoo()
    shell.rows(rows, rows.columns, brief=BRIEF)
