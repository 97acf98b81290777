"""``filterkit query``: read-only SQL on the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command

TABLE = "table"


@command
def query(
    shell: Shell,
    sql: Annotated[str, typer.Argument(help="One SELECT statement; docs/catalog.md lists the tables.")],
    timeout: Annotated[float, typer.Option(min=0.001, help="Limit on the running time, in seconds.")] = 30.0,
    limit: Annotated[int | None, typer.Option(min=0, help="Maximum number of rows.")] = None,
    max_value: Annotated[
        str,
        typer.Option(help="Maximum size of a single text or blob in the query, e.g. 64MB or 1MiB."),
    ] = "1MB",
    max_result: Annotated[
        str | None,
        typer.Option(
            help="Maximum size of all rows together (default: 2GB; 256MB for a table, which is laid out in "
            "memory)."
        ),
    ] = None,
) -> None:
    """Run a SELECT statement on the catalog; writes are refused."""
    if max_result is None:
        max_result = "256MB" if shell.format.partition(":")[0] == TABLE else "2GB"
    with shell.workbench() as bench:
        columns, rows = bench.iter_query(
            sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )
        shell.rows(rows, columns)
