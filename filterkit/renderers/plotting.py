"""matplotlib, imported without the settings of whoever made the current folder."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType


def matplotlib() -> ModuleType:
    """The package matplotlib, whose first import here reads no ``matplotlibrc`` of the current folder.

    matplotlib would take that in the place of the user's own. In a folder of a stranger it may turn on LaTeX,
    hold what matplotlib cannot read, or be a pipe on which it would wait.
    """
    if "matplotlib" in sys.modules or not os.path.lexists("matplotlibrc"):
        return importlib.import_module("matplotlib")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(os.sep)  # matplotlib knows no other way
    try:
        return importlib.import_module("matplotlib")
    finally:
        os.chdir(before)
