"""Plugins of a single file: every ``*.py`` in the folder ``FILTERKIT_PLUGINS_DIR`` is one."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from filterkit import settings
from filterkit.errors import UsageError
from filterkit.plugins.discovery import Candidate, canonical

VERSION = "file-"
"""How their versions begin; what follows tells the content, so that rows remember which it was."""


def single_files() -> Iterator[Candidate]:
    """One candidate per file, sorted by name; files whose names begin with ``_`` are left out.

    Raises
    ------
    UsageError
        The folder cannot be read.
    """
    folder = settings.plugins_folder()
    try:
        files = sorted(folder.iterdir()) if folder else []
    except OSError as error:
        raise UsageError(
            f"FILTERKIT_PLUGINS_DIR is no folder that can be read: {folder}",
            hint=f"{error.strerror}; make it, or unset the variable",
        ) from error
    for file in files:
        if file.suffix == ".py" and not file.name.startswith(("_", ".")) and file.is_file():
            yield _single_file(file.absolute())


def _single_file(file: Path) -> Candidate:
    # Under a name of its own, so that numpy.py is a plugin and not everybody's numpy.
    module = "filterkit_plugins_dir_" + re.sub(r"\W", "_", file.stem)
    try:
        version = VERSION + hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError:  # loading it will say why
        version = "unknown"
    name, load = canonical(file.stem).replace(".", "-"), partial(_load, module, file)
    return Candidate(name, version, None, module, load, file=str(file))


def _load(module: str, file: Path) -> object:
    if getattr(sys.modules.get(module), "__file__", None) == str(file):
        return sys.modules[module]
    spec = spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    loaded = sys.modules[module] = module_from_spec(spec)  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded
