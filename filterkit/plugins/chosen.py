"""Names in ``FILTERKIT_PLUGINS_BLOCKED`` and ``FILTERKIT_PLUGINS_ONLY``, and the plugins that they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from filterkit import settings
from filterkit.errors import closest
from filterkit.plugins.discovery import canonical, names_for


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
