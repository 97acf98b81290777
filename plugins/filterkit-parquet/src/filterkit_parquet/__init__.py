"""Parquet for filterkit: ``--format parquet`` and ``filterkit export-catalog FOLDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    import typer

    from filterkit_parquet.output import Parquet

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_output_formats() -> list[filterkit.Contribution[Parquet]]:
    """Contribute the format `parquet`; its module, with pyarrow, is imported on first use."""
    return [filterkit.Contribution("parquet", "Apache Parquet, binary", "filterkit_parquet.output:Parquet")]


@filterkit.hookimpl
def filterkit_commands(app: typer.Typer) -> None:
    """Add the command `export-catalog`."""
    from filterkit_parquet.command import export_catalog

    app.command("export-catalog")(export_catalog)
