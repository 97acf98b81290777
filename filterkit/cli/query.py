"""``filterkit query``: read-only SQL over the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command

TABLE = "table"


@command
def query(
    shell: Shell,
    sql: Annotated[str, typer.Argument(help="One SELECT statement; docs/catalog.md lists the tables.")],
    timeout: Annotated[float, typer.Option(min=0.001, help="Give up after so many seconds.")] = 30.0,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
    max_value: Annotated[
        str, typer.Option(help="Size of the largest text or blob in the query, e.g. 64MB or 1MiB.")
    ] = "1MB",
    max_result: Annotated[
        str | None,
        typer.Option(
            help="Size of all rows together (default: 2GB; for a table, which is held whole, 256MB)."
        ),
    ] = None,
) -> None:
    """Ask the catalog in SQL. The database refuses every write."""
    if max_result is None:
        max_result = "256MB" if shell.format.partition(":")[0] == TABLE else "2GB"
    with shell.workbench() as bench:
        columns, rows = bench.iter_query(
            sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )
        shell.rows(rows, columns)
