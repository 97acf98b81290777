"""Python started a second time, or looked through, without what lies in the current folder.

Python puts that folder first on ``sys.path`` for ``-m``, ``-c`` and prompts, so that a ``pip.py`` or a
``numpy.py`` in a folder of a stranger would run in the place of the installed one.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from filterkit.errors import FilterkitError


def python(*arguments: str) -> list[str]:
    """The command line that runs this Python with `arguments`, and without the current folder."""
    return [sys.executable, "-P", *arguments]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, and `more`, for such a child and for what that starts in turn."""
    mine = os.environ | more | {"PYTHONSAFEPATH": "1"}
    # An empty entry, as "$PYTHONPATH:/more" leaves, means the current folder, too.
    named = [each for each in mine.pop("PYTHONPATH", "").split(os.pathsep) if not _is_here(each)]
    return mine | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, named))} if named else mine


def no_python(kind: type[FilterkitError], reason: str) -> FilterkitError:
    """The error, of this kind, where such a child does not start, for the `reason` that the system gives."""
    return kind(
        f"Python cannot be started a second time: {reason}",
        hint=f"sys.executable is '{sys.executable or ''}'; is that Python, with onnx, and is there memory?",
    )


def can_import(module: str) -> bool:
    """Whether such a child finds a module, by its top-level name; it is not imported."""
    if sys.modules.get(module, module) is None:  # which says that it is not to be imported
        return False
    folders = list(import_folders())
    for finder in sys.meta_path:
        spec = finder.find_spec(module, folders if finder is PathFinder else None)
        if spec is not None:
            return True
    return False


def import_folders() -> Iterator[str]:
    """``sys.path`` without the current folder, unless PYTHONPATH or a .pth file put that there, to stay."""
    for entry in sys.path:
        if not _is_here(entry) and not (_is_current(entry) and not _stays(entry)):
            yield entry


def _is_here(entry: str) -> bool:
    """Whether an entry means the folder that is the current one, whichever that is."""
    return os.path.normpath(entry or ".") == "."


def _is_current(entry: str) -> bool:
    try:
        return os.path.samefile(entry, ".")  # noqa: PTH121, a Path takes twice as long
    except OSError:
        return False


def _stays(entry: str) -> bool:
    """Whether the environment names a folder itself, as installing something from it in place does."""
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
