"""Notices that a plugin replaces parts of filterkit, and puts them back."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from operator import attrgetter
from types import FunctionType, ModuleType
from typing import Any

from filterkit.errors import PluginError

_GONE = object()
_NOTES = {
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"),  # once looked at
    "__slotnames__",  # of a class, once something of it was copied
    "__warningregistry__",  # of a module, once it warned
}
"""Names that Python itself puts into modules and classes, late."""
_BODY = ("__code__", "__defaults__", "__kwdefaults__")
_WITHIN: dict[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    cached_property: ("func",),
    **dict.fromkeys((FunctionType, staticmethod, classmethod, type(cache(len))), ("__wrapped__",)),
}
"""Where such a thing keeps the functions that it is made of."""

Constant = dict[Any, Any] | list[Any] | set[Any]


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
    count, known = len(sys.modules), _modules()
    before = _Held(known, package)
    try:
        yield
    finally:
        replaced = before.put_back()
        fresh = set(_modules()) - set(known) if len(sys.modules) != count else ()
        if fresh:
            replaced += _forget(fresh, package)
        if replaced:
            for name in _modules_of(package):
                del sys.modules[name]  # who imports it again shall find the same
            more = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
            raise ReplacedCore(f"replaced {replaced[0]}{more}; it was put back")


class _Held:
    """What `modules` hold at this moment. Comparing is quick, and nearly always all there is to do.

    `package` is who may put something in from now on.
    """

    def __init__(self, modules: list[ModuleType], package: str) -> None:
        self._package = package
        self._owners = [(owner, dict(vars(owner))) for module in modules for owner in _owners(module)]
        self._bodies = []
        for part in _BODY:
            functions = [f for module in modules for f in _functions(module, part)]
            self._bodies.append((part, functions, list(map(attrgetter(part), functions))))
        self._constants = [
            (name, constant, constant.copy()) for module in modules for name, constant in _constants(module)
        ]

    def put_back(self) -> list[str]:
        """Undo what was replaced, changed, deleted or put in since; its names."""
        return [*self._put_attributes_back(), *self._put_bodies_back(), *self._put_constants_back()]

    def _put_attributes_back(self) -> Iterator[str]:
        for owner, held in self._owners:
            now = vars(owner)
            if _equal(now, held):
                continue
            for name in [name for name, value in held.items() if now.get(name, _GONE) is not value]:
                setattr(owner, name, held[name])
                yield f"{_name(owner)}.{name}"
            for name in [name for name in now if name not in held and self._is_put_in(owner, name)]:
                delattr(owner, name)
                yield f"{_name(owner)}.{name}"

    def _is_put_in(self, owner: ModuleType | type, name: str) -> bool:
        """Whether a new name is no note of Python's, and no module that got imported.

        Classes of filterkit get no names late. In its modules only those are looked up that stand in front of
        one of Python's, or that Python calls itself; what a plugin made has no place there in any case.
        """
        value = vars(owner)[name]
        if name in _NOTES:
            return False
        if isinstance(value, ModuleType) and value.__name__ == f"{_name(owner)}.{name}":
            return False
        return isinstance(owner, type) or hasattr(builtins, name) or _made_in(self._package, value)

    def _put_bodies_back(self) -> Iterator[str]:
        for part, functions, bodies in self._bodies:
            if _equal(list(map(attrgetter(part), functions)), bodies):
                continue
            for function, held in zip(functions, bodies, strict=True):
                if getattr(function, part) is not held:
                    setattr(function, part, held)
                    yield f"{_name(function)}.{part}"

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


def _modules() -> list[ModuleType]:
    return [m for name, m in sys.modules.items() if name[:10] == "filterkit." or name == "filterkit"]


def _modules_of(package: str) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package]


@cache
def _owners(module: ModuleType) -> tuple[ModuleType | type, ...]:
    """A module and its classes."""
    name = module.__name__
    return module, *(v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name)


@cache
def _functions(module: ModuleType, having: str = "__code__") -> tuple[FunctionType, ...]:
    """The functions of a module and of its classes, also those within decorators and properties.

    Only those `having` that: giving defaults to a function that has none changes no call that works.
    """
    found = (f for owner in _owners(module) for value in vars(owner).values() for f in _within(value))
    return tuple(f for f in found if f.__module__ == module.__name__ and getattr(f, having))


def _within(value: object) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType):
        yield value
    for name in _WITHIN.get(type(value), ()):
        yield from _within(getattr(value, name, None))


@cache
def _constants(module: ModuleType) -> tuple[tuple[str, Constant], ...]:
    """The dicts, lists and sets in a module and its classes, and the defaults in dicts of its functions.

    Only what has a name in capitals: the rest may change while filterkit works.
    """
    return (
        *(
            (f"{_name(owner)}.{name}", value)
            for owner in _owners(module)
            for name, value in vars(owner).items()
            if name.isupper() and isinstance(value, dict | list | set)
        ),
        *((f"{_name(f)}.__kwdefaults__", f.__kwdefaults__) for f in _functions(module) if f.__kwdefaults__),
    )


def _made_in(package: str, value: object) -> bool:
    """Whether a function, a class, a module or an object of a class is of `package`."""
    if isinstance(value, ModuleType):
        home = value.__name__
    else:
        home = (value if isinstance(value, FunctionType | type) else type(value)).__module__
    return str(home).partition(".")[0] == package


def _equal(now: object, held: object) -> bool:
    try:
        return bool(now == held)
    except Exception:  # of something that compares in its own way, and was put in
        return False


def _forget(modules: set[ModuleType], package: str) -> list[str]:
    """Drop `modules` where any of them holds functions or classes of `package`; the names of those."""
    files = {getattr(sys.modules[name], "__file__", None) for name in _modules_of(package)}
    replaced = []
    for module in sorted(modules, key=_name):
        replaced += [
            f"{_name(owner)}.{name}"
            for owner in _owners(module)
            for name, value in vars(owner).items()
            if isinstance(value, FunctionType | type) and _made_in(package, value)
        ]
        replaced += [
            f"{_name(function)}.__code__"
            for function in _functions(module)
            if function.__code__.co_filename in files
        ]
    for module in modules if replaced else ():
        del sys.modules[module.__name__]
        parent, _, name = module.__name__.rpartition(".")
        if getattr(sys.modules.get(parent), name, None) is module:
            delattr(sys.modules[parent], name)
    return replaced


def _name(owner: ModuleType | type | FunctionType) -> str:
    if isinstance(owner, ModuleType):
        return owner.__name__
    return f"{owner.__module__}.{owner.__qualname__}"
