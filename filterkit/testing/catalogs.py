"""Tiny catalogs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from filterkit.testing.tiny_models import TINY_MODELS, tiny_model
from filterkit.workbench import open as open_workbench


def tiny_catalog(folder: str | os.PathLike[str], kinds: Iterable[str] = TINY_MODELS) -> Path:
    """Make a catalog of tiny models, with its store, in `folder`, as ``filterkit add`` would.

    All installed plugins take part, so the columns of their metrics are in it.

    Parameters
    ----------
    kinds
        Which of `TINY_MODELS`; each is the name of its model.

    Returns
    -------
    Path
        The catalog's file, for ``filterkit.open`` or ``--catalog``.
    """
    catalog = Path(folder) / "catalog.db"
    with tempfile.TemporaryDirectory() as models, open_workbench(catalog) as bench:
        for kind in kinds:
            bench.add(str(tiny_model(kind, models).path))
    return catalog
