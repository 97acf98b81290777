"""Notices that a plugin replaces parts of filterkit, and puts them back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType, ModuleType
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
    count, known = len(sys.modules), _modules()
    before = [(owner, dict(vars(owner))) for module in known for owner in _owners(module)]
    try:
        yield
    finally:
        replaced = _put_back(before)
        if len(sys.modules) != count:
            replaced += _forget(set(_modules()) - set(known), package)
        if replaced:
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]  # who imports it again shall find the same
            more = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
            raise ReplacedCore(f"replaced {replaced[0]}{more}; it was put back")


def _modules() -> list[ModuleType]:
    return [m for name, m in sys.modules.items() if name[:10] == "filterkit." or name == "filterkit"]


@cache
def _owners(module: ModuleType) -> tuple[ModuleType | type, ...]:
    """A module and its classes."""
    name = module.__name__
    return module, *(v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name)


def _put_back(before: list[tuple[ModuleType | type, dict[str, Any]]]) -> list[str]:
    """Undo what was replaced or deleted; its names."""
    replaced = []
    for owner, held in before:
        now = vars(owner)
        if _equal(now, held):  # quick, and so nearly always
            continue
        for name in [name for name, value in held.items() if now.get(name, _GONE) is not value]:
            setattr(owner, name, held[name])
            replaced.append(f"{_name(owner)}.{name}")
    return replaced


def _equal(now: object, held: object) -> bool:
    try:
        return bool(now == held)
    except Exception:  # of something that compares in its own way, and was put in
        return False


def _forget(modules: set[ModuleType], package: str) -> list[str]:
    """Drop `modules` where any of them holds functions or classes of `package`; the names of those."""
    replaced = [
        f"{_name(owner)}.{name}"
        for module in sorted(modules, key=_name)
        for owner in _owners(module)
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType | type) and value.__module__.partition(".")[0] == package
    ]
    for module in modules if replaced else ():
        del sys.modules[module.__name__]
        parent, _, name = module.__name__.rpartition(".")
        if getattr(sys.modules.get(parent), name, None) is module:
            delattr(sys.modules[parent], name)
    return replaced


def _name(owner: ModuleType | type) -> str:
    return owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__name__}"
