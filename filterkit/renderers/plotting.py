"""Import matplotlib without a ``matplotlibrc`` of the current folder."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType


def matplotlib() -> ModuleType:
    """The package matplotlib, first imported without a ``matplotlibrc`` of the current folder.

    matplotlib would use that file instead of the user's own. In an untrusted folder it may turn on LaTeX, be
    unreadable, or be a named pipe that blocks.
    """
    if "matplotlib" in sys.modules or not os.path.lexists("matplotlibrc"):
        return importlib.import_module("matplotlib")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(os.sep)  # matplotlib has no other way
    try:
        return importlib.import_module("matplotlib")
    finally:
        os.chdir(before)
