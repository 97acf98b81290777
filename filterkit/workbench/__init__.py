"""The workbench: filterkit's Python API, which the command line calls too."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from filterkit.workbench.bench import Workbench, open

if TYPE_CHECKING:
    from filterkit.workbench.neighbours import Neighbours
    from filterkit.workbench.rows import Rows
    from filterkit.workbench.views import FeatureMaps, Sheet

_HOMES = {"FeatureMaps": "views", "Neighbours": "neighbours", "Rows": "rows", "Sheet": "views"}

__all__ = ["FeatureMaps", "Neighbours", "Rows", "Sheet", "Workbench", "open"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'filterkit.workbench' has no attribute '{name}'")
    return getattr(importlib.import_module(f"filterkit.workbench.{_HOMES[name]}"), name)
