"""Notices that a plugin replaces parts of filterkit, and puts them back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Any

from filterkit.errors import PluginError

_GONE = object()


class ReplacedCore(PluginError):
    """A plugin replaced something in filterkit's own modules or classes."""


@contextmanager
def core_unharmed(package: str) -> Iterator[None]:
    """Run code of the plugin that `package` (a top-level name) is of.

    What stood in filterkit's modules and classes stands in them afterwards. Modules of filterkit that were
    first imported meanwhile, and hold something of `package` now, are imported anew by whoever needs them.

    Raises
    ------
    ReplacedCore
        Something had been replaced; names it.
    """
    if package == "filterkit":  # what is built in
        yield
        return
    before = {name: _contents(module) for name, module in _modules().items()}
    try:
        yield
    finally:
        replaced = _put_back(before) or _forget(set(_modules()) - set(before), package)
        if replaced:
            more = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
            raise ReplacedCore(f"replaced {replaced[0]}{more}; it was put back")


def _modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "filterkit"}


def _contents(module: ModuleType) -> list[tuple[Any, dict[str, Any]]]:
    """A module and its classes, each with what is in it."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return [(owner, dict(vars(owner))) for owner in (module, *own)]


def _put_back(before: dict[str, list[tuple[Any, dict[str, Any]]]]) -> list[str]:
    """Undo what was replaced or deleted; its names."""
    replaced = []
    for module, contents in before.items():
        for owner, held in contents:
            now = vars(owner)
            for name, value in held.items():
                if now.get(name, _GONE) is not value:
                    setattr(owner, name, value)
                    inside = module if owner is sys.modules[module] else f"{module}.{owner.__name__}"
                    replaced.append(f"{inside}.{name}")
    return replaced


def _forget(modules: set[str], package: str) -> list[str]:
    """Drop `modules` where any of them holds functions or classes of `package`; the names of those."""
    replaced = [
        f"{module}.{name}"
        for module in sorted(modules)
        for owner, held in _contents(sys.modules[module])
        for name, value in held.items()
        if isinstance(value, FunctionType | MethodType | type)
        and str(getattr(value, "__module__", "")).partition(".")[0] == package
    ]
    for module in modules if replaced else ():
        parent, _, name = module.rpartition(".")
        if getattr(sys.modules.get(parent), name, None) is sys.modules.pop(module):
            delattr(sys.modules[parent], name)
    return replaced
