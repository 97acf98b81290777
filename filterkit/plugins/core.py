"""Notices that a plugin replaces parts of filterkit, and puts them back."""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from types import FunctionType, ModuleType

from filterkit.errors import PluginError
from filterkit.plugins.core_parts import (
    Owner,
    core_modules,
    functions_in,
    is_imported,
    made_in,
    modules_of,
    name_of,
    owners_in,
    replaceable,
)

_GONE = object()
_NOTES = {
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),  # once looked at
    "__slotnames__",  # of a class, once something of it was copied
    "__warningregistry__",  # of a module, once it warned
}
"""Names that Python itself puts into modules and classes, late."""


class ReplacedCore(PluginError):
    """A plugin replaced something in filterkit's own modules or classes."""


@contextmanager
def core_unharmed(package: str) -> Iterator[None]:
    """Run code of the plugin that `package` (a top-level name) is of.

    What stood in filterkit's modules, classes, functions and constants stands in them afterwards, and no name
    stands in front of one that they inherit, or of one of Python's own. Modules of filterkit that were first
    imported meanwhile, and hold something of `package` now, are imported anew by whoever needs them.

    Raises
    ------
    ReplacedCore
        Something had been replaced; names it.
    """
    if package == "filterkit":  # what is built in
        yield
        return
    count, known = len(sys.modules), core_modules()
    before = _held(list(known.values()))
    shared, _here.shared = _here.shared, None  # it may change filterkit, and call other plugins
    try:
        yield
    finally:
        _here.shared = shared
        replaced = [*_put_modules_back(known), *before.put_back(package)]
        if len(sys.modules) != count:
            replaced += _forget(sorted(core_modules().keys() - known.keys()), package)
        if replaced:
            for name in modules_of(package):
                del sys.modules[name]  # who imports it again shall find the same
            more = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
            raise ReplacedCore(f"replaced {replaced[0]}{more}; it was put back")


@contextmanager
def core_at_rest() -> Iterator[None]:
    """Run code of many plugins, each within `core_unharmed`, and nothing else that changes filterkit.

    One look at what it holds then serves for all: taking it is most of what `core_unharmed` costs.
    """
    before, _here.shared = _here.shared, []
    try:
        yield
    finally:
        _here.shared = before


class _Here(threading.local):
    """What filterkit held at the last look, where it is at rest; None elsewhere."""

    shared: list[_Held] | None = None


_here = _Here()


def _held(modules: list[ModuleType]) -> _Held:
    shared = _here.shared
    if shared and shared[0].modules == modules:
        return shared[0]
    held = _Held(modules)
    if shared is not None:
        shared[:] = [held]
    return held


class _Held:
    """What `modules` hold at this moment. Comparing is quick, and nearly always all there is to do."""

    def __init__(self, modules: list[ModuleType]) -> None:
        self.modules = modules
        owners, bodies, constants = replaceable(tuple(modules))
        self._owners = [(owner, vars(owner).copy()) for owner in owners]
        self._bodies = [
            (part, functions, list(map(attrgetter(part), functions))) for part, functions in bodies
        ]
        self._constants = [(name, constant, constant.copy()) for name, constant in constants]

    def put_back(self, package: str) -> list[str]:
        """Undo what was replaced, changed, deleted, or put in by `package`, since; its names."""
        return [*self._put_attributes_back(package), *self._put_bodies_back(), *self._put_constants_back()]

    def _put_attributes_back(self, package: str) -> Iterator[str]:
        for owner, held in self._owners:
            now = vars(owner)
            if _equal(now, held):
                continue
            for name in [name for name, value in held.items() if now.get(name, _GONE) is not value]:
                setattr(owner, name, held[name])
                yield f"{name_of(owner)}.{name}"
            for name in [name for name in now if name not in held and _is_put_in(owner, name, package)]:
                delattr(owner, name)
                yield f"{name_of(owner)}.{name}"

    def _put_bodies_back(self) -> Iterator[str]:
        for part, functions, bodies in self._bodies:
            if _equal(list(map(attrgetter(part), functions)), bodies):
                continue
            for function, held in zip(functions, bodies, strict=True):
                if getattr(function, part) is not held:
                    setattr(function, part, held)
                    yield f"{name_of(function)}.{part}"

    def _put_constants_back(self) -> Iterator[str]:
        for name, constant, held in self._constants:
            if _equal(constant, held):
                continue
            constant.clear()
            if isinstance(constant, list):
                constant.extend(held)
            else:
                constant.update(held)
            yield f"what {name} holds"


def _put_modules_back(known: dict[str, ModuleType]) -> Iterator[str]:
    """Let Python find filterkit's modules where it did, and nothing that is none of them."""
    if list(map(sys.modules.get, known)) != list(known.values()):
        for name in [name for name, module in known.items() if sys.modules.get(name) is not module]:
            sys.modules[name] = known[name]
            yield f"sys.modules['{name}']"


def _is_put_in(owner: Owner, name: str, package: str) -> bool:
    """Whether a new name is no note of Python's, and no module that got imported.

    Classes of filterkit get no names late. In its modules only those are looked up that stand in front of
    one of Python's, or that Python calls itself; what a plugin made has no place there in any case.
    """
    value = vars(owner)[name]
    if name in _NOTES:
        return False
    if isinstance(value, ModuleType) and value.__name__ == f"{name_of(owner)}.{name}":
        return value is not sys.modules.get(value.__name__)
    return isinstance(owner, type) or hasattr(builtins, name) or made_in(package, value)


def _equal(now: object, held: object) -> bool:
    try:
        return bool(now == held)
    except Exception:  # of something that compares in its own way, and was put in
        return False


def _forget(fresh: list[str], package: str) -> list[str]:
    """Drop the modules `fresh` where any was not imported, or holds functions or classes of `package`.

    Returns the names of those.
    """
    files = {getattr(sys.modules[name], "__file__", None) for name in modules_of(package)}
    replaced = []
    for name in fresh:
        module = sys.modules[name]
        if not is_imported(name, module):
            replaced.append(f"sys.modules['{name}']")
            continue
        replaced += [
            f"{name_of(owner)}.{name}"
            for owner in owners_in(module)
            for name, value in vars(owner).items()
            if isinstance(value, FunctionType | type) and made_in(package, value)
        ]
        replaced += [
            f"{name_of(function)}.__code__"
            for function in functions_in(module)
            if function.__code__.co_filename in files
        ]
    for name in fresh if replaced else ():
        dropped = sys.modules.pop(name)
        parent, _, last = name.rpartition(".")
        if getattr(sys.modules.get(parent), last, _GONE) is dropped:
            delattr(sys.modules[parent], last)
    return replaced
