"""What comes from the working folder: the module that was asked for, what that imports, and nothing else."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


def import_asked_for(module: str) -> ModuleType:
    """Import `module`, which the working folder may hold; there it is found before an installed one.

    Only then that folder is on ``sys.path`` at all, and last: its network may consist of several files, but a
    ``numpy.py`` of its own replaces nobody's numpy. Where the module is an installed one, nothing comes from
    the folder.
    """
    here, package = str(Path.cwd()), module.partition(".")[0]
    spec = PathFinder.find_spec(package, [here])
    if spec is None:
        return importlib.import_module(module)
    sys.path.append(here)
    if spec.loader is not None:  # without one it is a mere folder, which may be called as a package is
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
    """The environment for a process that gets nothing from the folder it works in, nor its children."""
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = [str(Path(each).absolute()) for each in named if Path(each) != Path()]
    rest = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if folders:
        rest["PYTHONPATH"] = os.pathsep.join(folders)
    return rest | {"PYTHONSAFEPATH": "1"}
