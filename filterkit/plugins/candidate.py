"""A plugin that could be loaded, and the names that users have for plugins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from filterkit import settings
from filterkit.errors import closest


@dataclass(frozen=True)
class Candidate:
    """A plugin that could be loaded.

    Attributes
    ----------
    name
        The distribution's name; where one distribution declares several plugins, ``distribution.entry``.
        Of a plugin that is a single file, the file's.
    version, distribution
        Of the package that brings it; a single file has no distribution.
    module
        The module it is imported from.
    load
        Imports the plugin and returns it.
    attribute
        What in the module is the plugin; empty where the module itself is.
    file
        Where it lies, as far as that is known beforehand.
    beside
        The folder that its distribution lies in; most modules lie beside it.
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
    """A plugin's name as it is compared: lower case, ``-`` for ``_``."""
    return re.sub(r"[-_]+", "-", name).lower()


def names_for(plugin: str) -> set[str]:
    """What a plugin may be called where it is chosen: its name, or its distribution's for all that has."""
    name = canonical(plugin)
    return {name, name.partition(".")[0]}


class Unknown(NamedTuple):
    """A name in a variable that fits no plugin, and a hint at what it may be meant for."""

    variable: str
    name: str
    hint: str

    def __str__(self) -> str:
        return f"{self.variable}: there is no plugin '{self.name}' ({self.hint})"


def unknown_names(plugins: Iterable[str]) -> list[Unknown]:
    """Those that fit none of `plugins`, which are all that are there."""
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
