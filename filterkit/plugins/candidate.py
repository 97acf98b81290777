"""Candidates: plugins that can be loaded, and the names by which users refer to them."""

from __future__ import annotations

import re
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
