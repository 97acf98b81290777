"""Find the source files of plugins without importing them."""

from __future__ import annotations

import os
import re
import sys

from filterkit.plugins.candidate import Candidate
from filterkit.plugins.discovery import bytes_of


def may_have(candidate: Candidate, hook: str) -> bool:
    """Whether a plugin may implement a hook, judging by its source without importing it; true if unsure."""
    file = file_of(candidate)
    if candidate.attribute or file is None or not file.endswith(".py"):
        return True
    try:
        text = bytes_of(file)
    except OSError:
        return True
    return hook.encode() in text or re.search(rb"import\s*\*", text) is not None


def file_of(candidate: Candidate) -> str | None:
    """The source file of a plugin, found without importing it, or None."""
    return candidate.file or _beside(candidate) or source_file(candidate.module)


def _beside(candidate: Candidate) -> str | None:
    """Its file, if it is beside its metadata, the usual place; faster than searching all of ``sys.path``."""
    if candidate.beside is None or not _comes_first(candidate.beside, candidate.module.partition(".")[0]):
        return None
    path = f"{candidate.beside}/{candidate.module.replace('.', '/')}"
    return next(filter(os.path.isfile, (f"{path}/__init__.py", f"{path}.py")), None)


def _comes_first(folder: str, name: str) -> bool:
    """Whether no earlier entry of ``sys.path`` contains a module or package of that name."""
    for entry in sys.path:
        path = entry or "."
        if path == folder:
            return True
        if os.path.exists(f"{path}/{name}") or os.path.exists(f"{path}/{name}.py"):  # noqa: PTH110
            return False
    return False


def source_file(module: str) -> str | None:
    """The source file of a module, found without importing it, or None."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None)
    search: list[str] | None = None
    spec = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        specs = (finder.find_spec(name, search) for finder in sys.meta_path)
        try:
            spec = next(filter(None, specs), None)
        except KeyError:  # a nested namespace package, which would have to be imported
            spec, search = None, [f"{folder}/{parts[depth - 1]}" for folder in search or ()]
            continue
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    return spec.origin if spec else None
