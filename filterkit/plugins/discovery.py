"""Finds installed plugins, without importing any of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

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


def may_be_installed() -> bool:
    """Whether `installed` can yield anything: a look for what a plugin declares, where Python looks for it.

    Importing `importlib.metadata` takes ten times as long. Where anything but plain folders brings
    distributions, the answer is yes.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return finders != [PathFinder] or any(map(_may_declare, sys.path))


def _may_declare(entry: str) -> bool:
    try:
        folders = list(Path(entry or ".").iterdir())
    except NotADirectoryError:  # an archive
        return True
    except OSError:
        return False
    for folder in folders:
        if folder.name.lower().endswith((".dist-info", "egg-info")):
            try:
                text = (folder / "entry_points.txt").read_bytes()
            except OSError:
                continue
            if f"[{GROUP}]".encode() in text:
                return True
    return False


def installed() -> Iterator[Candidate]:
    """Every plugin of every installed distribution, one candidate per entry point, sorted by name."""
    import importlib.metadata

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
