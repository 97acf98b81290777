"""Spec strings such as ``percentile:low=1,high=99,per=filter``, and the options they set.

The fields of a contribution's dataclass are its options; other factories have none. Values are written
according to their type: ``true`` or ``false``, a number, text, one of the allowed words, ``none`` if the
field may be None, and tuples with ``/`` between the values (``mean=104/117/124``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from filterkit.errors import UsageError, closest

_SWITCH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True)
class Option:
    """One option of a contribution.

    Attributes
    ----------
    name
        Name in a spec string.
    type
        Description of the type, e.g. ``"int"``, ``"float or none"``, ``"int/int"``,
        ``"layer|filter|kernel"``.
    default
        Default value; None for a required option.
    choices
        Allowed values, or empty.
    required
        Whether it must be set.
    hint
        Its Python type.
    """

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...]
    required: bool
    hint: Any = dataclasses.field(repr=False)


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``name:key=value,key=value`` into the name and its options as text.

    Raises
    ------
    UsageError
        If the text is not of that form, or sets an option twice.
    """
    name, colon, rest = spec.partition(":")
    name = name.strip()
    if not name:
        raise UsageError(f"'{spec}' has no name", hint="write NAME or NAME:OPTION=VALUE,OPTION=VALUE")
    options: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = part.partition("=")
        key = key.strip()
        if not key or not equals:
            raise UsageError(
                f"'{part}' in '{spec}' has no value", hint=f"write {name}:OPTION=VALUE,OPTION=VALUE"
            )
        if key in options:
            raise UsageError(f"'{spec}' sets '{key}' twice")
        options[key] = value
    return name, options


def chosen_option(spec: str | None, name: str, value: str | None) -> str | None:
    """The value of an option that is given apart from a spec string, which takes precedence if it has it."""
    return parse_spec(spec)[1].get(name, value) if spec else value


@cache
def options_of(factory: Callable[..., Any]) -> tuple[Option, ...]:
    """The options of a contribution's factory, in the order of their declaration."""
    if not (isinstance(factory, type) and dataclasses.is_dataclass(factory)):
        return ()
    hints = get_type_hints(factory)
    return tuple(_option(field, hints[field.name]) for field in dataclasses.fields(factory) if field.init)


def _option(field: dataclasses.Field[Any], hint: Any) -> Option:
    default, required = field.default, False
    if default is dataclasses.MISSING:
        required = field.default_factory is dataclasses.MISSING
        default = None if field.default_factory is dataclasses.MISSING else field.default_factory()
    return Option(field.name, _described(hint), default, _choices(hint), required, hint)


def coerce_options(known: Iterable[Option], given: Mapping[str, Any], *, owner: str) -> dict[str, Any]:
    """Convert options from text to the types of their fields; other values are returned unchanged.

    Parameters
    ----------
    known
        From `options_of`.
    given
        From `parse_spec`, or values from Python.
    owner
        Owner of the options, for messages: ``"normalizer 'percentile'"``.

    Raises
    ------
    UsageError
        For an unknown option, a value of the wrong type, or a missing required option; names the option and
        its type.
    """
    by_name = {option.name: option for option in known}
    values = {}
    for name, value in given.items():
        if name not in by_name:
            hint = closest(name, by_name) if by_name else "it has no options"
            raise UsageError(f"{owner} has no option '{name}'", hint=hint)
        option = by_name[name]
        try:
            values[name] = _coerce(value, option.hint) if isinstance(value, str) else value
        except ValueError:
            near = closest(value, map(to_text, option.choices))
            hint = near if near.startswith("did you mean") else f"expected {option.type}"
            raise UsageError(f"option '{name}' of {owner} cannot be '{value}'", hint=hint) from None
    for option in by_name.values():
        if option.required and option.name not in values:
            raise UsageError(f"{owner} requires the option '{option.name}'", hint=f"expected {option.type}")
    return values


def to_text(value: Any) -> str:
    """The value of an option as written in a spec string."""
    if isinstance(value, tuple | list):
        return "/".join(map(to_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _coerce(text: str, hint: Any) -> Any:
    """Convert `text` to type `hint`, or raise ValueError. Only strings keep surrounding spaces."""
    word = text.strip()
    if hint is bool:
        if word.lower() not in _SWITCH:
            raise ValueError(text)
        return _SWITCH[word.lower()]
    if hint in (int, float, str):
        return hint(text)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        for choice in parts:
            if to_text(choice) == word:
                return choice
    elif origin in (Union, UnionType):
        for part in sorted(parts, key=lambda part: part is str):  # try str last, as it accepts any text
            try:
                return _coerce(text, part)
            except ValueError:
                continue
    elif origin is tuple:
        words = text.split("/") if word else []
        kinds = parts[:1] * len(words) if parts[-1] is ... else parts
        return tuple(_coerce(word, kind) for word, kind in zip(words, kinds, strict=True))
    elif hint is NoneType and word.lower() == "none":
        return None
    raise ValueError(text)


def _choices(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return tuple(choice for part in get_args(hint) for choice in _choices(part))
    return ()


def _described(hint: Any) -> str:
    """A readable description of a type: ``float or none``, ``int/int``, ``layer|filter``."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "|".join(map(to_text, parts))
    if origin in (Union, UnionType):
        return " or ".join(map(_described, parts))
    if origin is tuple:
        return f"{_described(parts[0])}/…" if parts[-1] is ... else "/".join(map(_described, parts))
    words: dict[Any, str] = {NoneType: "none", str: "text", bool: "true|false", int: "int", float: "float"}
    return words.get(hint, str(hint))
