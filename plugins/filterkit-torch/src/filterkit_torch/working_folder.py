"""Imports from the current folder: the requested module, its own imports, and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


def import_asked_for(module: str) -> ModuleType:
    """Import `module`, preferring the current folder to an installed one.

    The folder is appended to ``sys.path`` only if it contains the module: a network may consist of several
    files, but a ``numpy.py`` there does not shadow NumPy. If the module is an installed one, nothing is
    imported from the folder.
    """
    here, package = str(Path.cwd()), module.partition(".")[0]
    spec = PathFinder.find_spec(package, [here])
    if spec is None:
        return importlib.import_module(module)
    sys.path.append(here)
    if spec.loader is not None:  # without one it is a plain folder, which may have the name of a package
        sys.meta_path.insert(0, _FoundHere(package, here))
    return importlib.import_module(module)


class _FoundHere:
    """Finds one top-level module in one folder, and nothing else."""

    def __init__(self, package: str, folder: str) -> None:
        self._package, self._folder = package, folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder]) if name == self._package else None


def without_working_folder() -> dict[str, str]:
    """The environment for a process that imports nothing from its current folder, nor do its children."""
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = [str(Path(each).absolute()) for each in named if Path(each) != Path()]
    rest = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if folders:
        rest["PYTHONPATH"] = os.pathsep.join(folders)
    return rest | {"PYTHONSAFEPATH": "1"}
