"""Start Python child processes, or search for modules, without importing from the current folder.

Python puts that folder first on ``sys.path`` for ``-m``, ``-c`` and prompts, so that a ``pip.py`` or a
``numpy.py`` in an untrusted folder would run instead of the installed one.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from filterkit.errors import FilterkitError

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""ONNX Runtime reports its use to its makers, and keeps a number of this computer in the folder for temporary
files, unless the environment says this before it is loaded."""


def python(*arguments: str) -> list[str]:
    """The command line that runs this Python with `arguments`, without the current folder on its path."""
    return [sys.executable, "-P", *arguments]


def environment(**more: str) -> dict[str, str]:
    """This process's environment and `more`, for such a child and its own children."""
    mine = NO_TELEMETRY | os.environ | more | {"PYTHONSAFEPATH": "1"}
    # An empty entry, as in "$PYTHONPATH:/more" with PYTHONPATH unset, also means the current folder.
    named = [each for each in mine.pop("PYTHONPATH", "").split(os.pathsep) if not _is_here(each)]
    return mine | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, named))} if named else mine


def no_python(kind: type[FilterkitError], reason: str) -> FilterkitError:
    """The error to raise if such a child cannot be started, with the `reason` given by the system."""
    return kind(
        f"cannot start a Python child process: {reason}",
        hint=f"sys.executable is '{sys.executable or ''}'; check that it is a Python with onnx, and that "
        "there is enough memory",
    )


def can_import(module: str) -> bool:
    """Whether such a child could import a top-level module; it is not imported here."""
    if sys.modules.get(module, module) is None:  # None blocks the import
        return False
    folders = list(import_folders())
    for finder in sys.meta_path:
        spec = finder.find_spec(module, folders if finder is PathFinder else None)
        if spec is not None:
            return True
    return False


def import_folders() -> Iterator[str]:
    """``sys.path`` without the current folder, unless PYTHONPATH or a .pth file names it explicitly."""
    for entry in sys.path:
        if not _is_here(entry) and not (_is_current(entry) and not _is_explicit(entry)):
            yield entry


def _is_here(entry: str) -> bool:
    """Whether an entry refers to the current folder as such, e.g. an empty one."""
    return os.path.normpath(entry or ".") == "."


def _is_current(entry: str) -> bool:
    try:
        return os.path.samefile(entry, ".")  # noqa: PTH121, a Path takes twice as long
    except OSError:
        return False


def _is_explicit(entry: str) -> bool:
    """Whether PYTHONPATH or a .pth file names a folder, as an editable installation does."""
    if entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) and not sys.flags.ignore_environment:
        return True
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        for file in Path(folder).glob("*.pth"):
            try:
                lines = file.read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
            if any(os.path.join(folder, line.strip()) == entry for line in lines if line.strip()):  # noqa: PTH118
                return True
    return False
