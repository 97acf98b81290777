"""What in filterkit a plugin could replace: names in modules and classes, parts of functions, constants."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from types import FunctionType, ModuleType
from typing import Any

Owner = ModuleType | type
Constant = dict[Any, Any] | list[Any] | set[Any]
Parts = tuple[list[Owner], list[tuple[str, list[FunctionType]]], list[tuple[str, Constant]]]

_BODY = ("__code__", "__defaults__", "__kwdefaults__")
_WITHIN: dict[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    cached_property: ("func",),
    **dict.fromkeys((FunctionType, staticmethod, classmethod, type(cache(len))), ("__wrapped__",)),
}
"""Where such a thing keeps the functions that it is made of."""


def core_modules() -> dict[str, ModuleType]:
    """The modules of filterkit that are imported, by the names that Python finds them by."""
    return {name: m for name, m in sys.modules.items() if name[:10] == "filterkit." or name == "filterkit"}


def is_imported(name: str, module: object) -> bool:
    """Whether Python made a module when `name` was imported, and nobody put another thing in its place."""
    return getattr(getattr(module, "__spec__", None), "name", None) == name


def modules_of(package: str) -> list[str]:
    """The names of the modules of `package`, a top-level name, that are imported."""
    return [name for name in sys.modules if name.partition(".")[0] == package]


@lru_cache(maxsize=1)
def replaceable(modules: tuple[ModuleType, ...]) -> Parts:
    """What of `modules` can be replaced: names in owners, parts of functions, what constants hold."""
    return (
        [owner for module in modules for owner in owners_in(module)],
        [(part, [f for module in modules for f in _having(module, part)]) for part in _BODY],
        [constant for module in modules for constant in _constants(module)],
    )


@cache
def owners_in(module: ModuleType) -> tuple[Owner, ...]:
    """A module and its classes."""
    name = module.__name__
    return module, *(v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name)


@cache
def functions_in(module: ModuleType) -> tuple[FunctionType, ...]:
    """The functions of a module and of its classes, also those within decorators and properties."""
    found = [
        function
        for owner in owners_in(module)
        for value in vars(owner).values()
        if type(value) in _WITHIN
        for function in _within(value)
    ]
    return tuple(f for f in found if f.__module__ == module.__name__)


@cache
def _having(module: ModuleType, part: str) -> tuple[FunctionType, ...]:
    """Its functions that have that: giving defaults to one that has none changes no call that works."""
    return tuple(f for f in functions_in(module) if getattr(f, part))


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
            (f"{name_of(owner)}.{name}", value)
            for owner in owners_in(module)
            for name, value in vars(owner).items()
            if name.isupper() and isinstance(value, dict | list | set)
        ),
        *(
            (f"{name_of(f)}.__kwdefaults__", f.__kwdefaults__)
            for f in functions_in(module)
            if f.__kwdefaults__
        ),
    )


def made_in(package: str, value: object) -> bool:
    """Whether a function, a class, a module or an object of a class is of `package`."""
    if isinstance(value, ModuleType):
        home = value.__name__
    else:
        home = (value if isinstance(value, FunctionType | type) else type(value)).__module__
    return str(home).partition(".")[0] == package


def name_of(owner: Owner | FunctionType) -> str:
    """The full name of a module, a class or a function."""
    if isinstance(owner, ModuleType):
        return owner.__name__
    return f"{owner.__module__}.{owner.__qualname__}"
