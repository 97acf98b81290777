"""Finds installed plugins, without importing any of them."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

GROUP = "filterkit"
"""The entry-point group that a plugin's distribution declares."""


@dataclass(frozen=True)
class Candidate:
    """A plugin that could be loaded.

    Attributes
    ----------
    name
        The distribution's name; where one distribution declares several plugins, ``distribution.entry``.
    version, distribution
        Of the package that brings it.
    module
        The module it is imported from.
    load
        Imports the plugin and returns it.
    """

    name: str
    version: str
    distribution: str
    module: str
    load: Callable[[], object]


def canonical(name: str) -> str:
    """A plugin's name as it is compared: lower case, ``-`` for ``_``."""
    return re.sub(r"[-_]+", "-", name).lower()


def installed() -> Iterator[Candidate]:
    """Every plugin of every installed distribution, one candidate per entry point, sorted by name."""
    found: dict[str, list[Candidate]] = {}
    for distribution in importlib.metadata.distributions():
        try:
            entries = distribution.entry_points.select(group=GROUP)
            if not entries:
                continue
            metadata = distribution.metadata
        except (OSError, ValueError):  # metadata that cannot be read names no plugin
            continue
        # Dots are for the plugins within one distribution.
        name = canonical(metadata["Name"] or "unnamed").replace(".", "-")
        version = metadata["Version"] or "unknown"
        # The first distribution of a name on sys.path is the one that Python imports.
        found.setdefault(
            name,
            [
                Candidate(
                    name if len(entries) == 1 else f"{name}.{canonical(entry.name)}",
                    version,
                    name,
                    entry.value.partition(":")[0].strip(),
                    entry.load,
                )
                for entry in entries
            ],
        )
    for name in sorted(found):
        yield from sorted(found[name], key=lambda candidate: candidate.name)


def source_file(module: str) -> str | None:
    """The file a module comes from, found without importing it; None where there is none."""
    if module in sys.modules:
        return getattr(sys.modules[module], "__file__", None)
    search: list[str] | None = None
    spec = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        specs = (finder.find_spec(name, search) for finder in sys.meta_path)
        spec = next(filter(None, specs), None)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or ())
    return spec.origin if spec else None
