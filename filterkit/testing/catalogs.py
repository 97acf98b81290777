"""Tiny catalogs for tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from filterkit.testing.tiny_models import TINY_MODELS, tiny_model
from filterkit.workbench import open as open_workbench


def tiny_catalog(folder: str | os.PathLike[str], kinds: Iterable[str] = TINY_MODELS) -> Path:
    """Create a catalog of tiny models, with its store, in `folder`, as ``filterkit add`` would.

    All installed plugins are used, so it contains the columns of their metrics.

    Parameters
    ----------
    kinds
        A subset of `TINY_MODELS`; each is also the name of the model.

    Returns
    -------
    Path
        Path of the catalog, for ``filterkit.open`` or ``--catalog``.
    """
    catalog = Path(folder) / "catalog.db"
    with tempfile.TemporaryDirectory() as models, open_workbench(catalog) as bench:
        for kind in kinds:
            bench.add(str(tiny_model(kind, models).path))
    return catalog
