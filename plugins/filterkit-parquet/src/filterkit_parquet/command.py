"""The command ``filterkit export-catalog``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import filterkit
import typer


@filterkit.command
def export_catalog(
    shell: filterkit.Shell,
    folder: Annotated[Path, typer.Argument(help="Where to put the files; created if missing.")],
) -> None:
    """Write models, layers, filters and skipped nodes as Parquet files, replacing existing ones."""
    from filterkit_parquet.export import export

    with shell.workbench() as bench:
        written = [{"file": str(path), "rows": count} for path, count in export(bench, folder).items()]
    shell.rows(written, ("file", "rows"))
