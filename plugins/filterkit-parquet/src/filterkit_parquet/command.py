"""The command ``filterkit export-catalog``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import filterkit
import typer


def export_catalog(
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made where it is not there.")],
    catalog: Annotated[
        str | None, typer.Option(help="Catalog file or URL (default: $FILTERKIT_CATALOG or catalog.db).")
    ] = None,
) -> None:
    """Write models, layers, filters and what was skipped as Parquet files; earlier ones are replaced."""
    from filterkit_parquet.export import export

    with filterkit.open(catalog) as bench:
        for path, count in export(bench, folder).items():
            print(f"{path}: {count:,} row{'' if count == 1 else 's'}")
