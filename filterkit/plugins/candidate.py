"""Candidates: plugins that can be loaded, the names by which users refer to them, and their source files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from filterkit import settings
from filterkit.errors import closest


@dataclass(frozen=True)
class Candidate:
    """A plugin that can be loaded.

    Attributes
    ----------
    name
        Name of the distribution, or ``distribution.entry`` if it declares several plugins; for a single-file
        plugin, the name of the file.
    version, distribution
        Of the package that provides it; a single file has no distribution.
    module
        The module it is imported from.
    load
        Imports the plugin and returns it.
    attribute
        Attribute of the module that is the plugin; empty if it is the module itself.
    file
        Its source file, if known without a search.
    beside
        The folder that contains its distribution metadata, and usually also the module.
    """

    name: str
    version: str
    distribution: str | None
    module: str
    load: Callable[[], object]
    attribute: str = ""
    file: str | None = None
    beside: str | None = None


def canonical(name: str) -> str:
    """Normalized name for comparisons: lower case, ``-`` for ``_``."""
    return re.sub(r"[-_]+", "-", name).lower()


def names_for(plugin: str) -> set[str]:
    """Names by which a plugin can be selected: its own, or that of its distribution for all its plugins."""
    name = canonical(plugin)
    return {name, name.partition(".")[0]}


class Unknown(NamedTuple):
    """A name in an environment variable that matches no plugin, with a suggestion."""

    variable: str
    name: str
    hint: str

    def __str__(self) -> str:
        return f"{self.variable}: unknown plugin '{self.name}' ({self.hint})"


def unknown_names(plugins: Iterable[str]) -> list[Unknown]:
    """Names in the environment that match none of `plugins`, which must be all plugins."""
    known = {name for plugin in plugins for name in names_for(plugin)}
    variables = {
        "FILTERKIT_PLUGINS_BLOCKED": settings.blocked_plugins(),
        "FILTERKIT_PLUGINS_ONLY": settings.only_plugins(),
    }
    return [
        Unknown(variable, name, closest(canonical(name), known))
        for variable, names in variables.items()
        for name in sorted(names)
        if canonical(name) not in known
    ]


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


def bytes_of(file: str) -> bytes:
    """Content of a file. `Path` would take twice as long, which matters for hundreds of files."""
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
        return opened.read()
