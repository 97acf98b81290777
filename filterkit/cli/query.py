"""``filterkit query``: read-only SQL over the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command


@command
def query(
    shell: Shell,
    sql: Annotated[str, typer.Argument(help="One SELECT statement; docs/catalog.md lists the tables.")],
    timeout: Annotated[float, typer.Option(min=0.001, help="Give up after so many seconds.")] = 30.0,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
) -> None:
    """Ask the catalog in SQL. The database refuses every write."""
    with shell.workbench() as bench:
        columns, rows = bench.iter_query(sql, timeout=timeout, limit=limit)
        shell.rows(rows, columns)
