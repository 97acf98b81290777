"""Colormaps as tables of 256 colours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError, closest
from filterkit.renderers.paper import matplotlib

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAY = "gray"
"""The colormap that does not need matplotlib: black is 0, white is 1."""


@lru_cache(maxsize=16)
def colour_table(name: str) -> NDArray[np.uint8]:
    """256 colours from 0 to 1, shape (256, 3), for any colormap of matplotlib.

    Raises
    ------
    UsageError
        If there is no such colormap.
    """
    if name == GRAY:
        table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        colormaps = matplotlib().colormaps
        if name not in colormaps:
            raise UsageError(f"unknown colormap '{name}'", hint=closest(name, colormaps))
        table = colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3]
    table.flags.writeable = False
    return table
