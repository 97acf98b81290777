"""``filterkit zoo``: networks known by name."""

from __future__ import annotations

from filterkit.cli.shell import Shell, command

BRIEF = ("name", "bytes", "cached", "license", "sha256")


@command
def zoo(shell: Shell) -> None:
    """List the networks that `filterkit add NAME` knows, with license, size and hash."""
    from filterkit.sources.zoo import known

    rows = list(known())
    shell.rows(rows, rows[0].keys(), brief=BRIEF)
