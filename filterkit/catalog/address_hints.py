"""What an address that names nothing was probably meant to be: its model is missing, or its slashes are.

This is asked where an address names nothing, and may take its time; how many layers it looks at is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import groupby

import sqlalchemy as sa

from filterkit.address import matching, parse_address
from filterkit.catalog.schema import layer, model
from filterkit.errors import UsageError

MOST_LAYERS = 20_000

NAMED = 2
"""Addresses that are named where several would do."""

CLOSE = 0.75
"""How alike two names are at least, from 0 to 1, for one to be meant by the other."""

_SEPARATOR = re.compile(r"[^\w*?\]-]+")
"""What may stand between parts instead of a slash: ``.``, ``\\``, ``:``, ``[``, spaces, and so on."""

Names = Mapping[str, Sequence[str]]
"""From each model to its layers."""


def with_a_model(connection: sa.Connection, text: str) -> list[str]:
    """Addresses that `text`, which does not begin with a model and a slash, was probably meant to be."""
    names = _names(connection)
    every = (_separated(names, text), _completed(names, text), _separated(names, text, nearly=True))
    return next(filter(None, map(_first, every)), [])


def like_a_layer(connection: sa.Connection, text: str) -> list[str]:
    """Addresses with a layer that has nearly the name that `text` begins with."""
    return _first(_alike(_names(connection), text))


def with_a_layer(name: str, layers: Sequence[str], rest: str) -> list[str]:
    """The same where `name` is a model, but no layer of it has the name that comes next in `rest`."""
    found = _layer_first(layers, rest)
    return _valid([f"{name}/{found}"] if found and found != rest else [])


def _separated(names: Names, text: str, *, nearly: bool = False) -> Iterator[str]:
    """``vgg16.block1_conv1``: a model, something else than a slash, and (`nearly`) one of its layers."""
    for name in sorted(names, key=len, reverse=True):
        mark = _SEPARATOR.match(text, len(name)) if text.startswith(name) else None
        if mark:
            rest = text[mark.end() :]
            found = _layer_first(names[name], rest)
            close = get_close_matches(rest, names[name], 1, CLOSE) if nearly else [found]
            yield from (f"{name}/{each}" for each in close if each)


def _completed(names: Names, text: str) -> Iterator[str]:
    """``block1_conv1/0``: a layer without its model."""
    for name, layers in names.items():
        found = _layer_first(layers, text)
        if found:
            yield f"{name}/{found}"


def _alike(names: Names, text: str) -> Iterator[str]:
    """``blok1_conv1``: nearly a layer, without its model."""
    first, slash, rest = text.partition("/")
    every = {each for layers in names.values() for each in layers}
    for close in get_close_matches(first, every, NAMED, CLOSE):
        yield from (f"{name}/{close}{slash}{rest}" for name, layers in names.items() if close in layers)


def _layer_first(layers: Sequence[str], text: str) -> str | None:
    """`text` as layer, filters and kernels of an address, if it begins with one of `layers` or a glob."""
    if matching(text.partition("/")[0], layers):
        return text
    for name in sorted(filter(text.startswith, layers), key=len, reverse=True):
        rest = text[len(name) :]
        if _SEPARATOR.match(rest):
            behind = rest.removeprefix("::") if rest.startswith("::") else rest[1:]
            numbers = re.findall(r"[-+0-9:,*]+", re.sub(r"\s*,\s*", ",", behind))
            return "/".join([name, *numbers])
    return None


def _first(found: Iterator[str]) -> list[str]:
    return _valid(dict.fromkeys(found))[:NAMED]


def _valid(addresses: Sequence[str] | Mapping[str, None]) -> list[str]:
    def reads(address: str) -> bool:
        try:
            parse_address(address)
        except UsageError:
            return False
        return True

    return [*filter(reads, addresses)]


def _names(connection: sa.Connection) -> Names:
    query = (
        sa.select(model.c.name, layer.c.name).join_from(model, layer).order_by(model.c.id, layer.c.id)
    ).limit(MOST_LAYERS)
    rows = [row for row in connection.execute(query) if all(isinstance(each, str) for each in row)]
    return {name: [each[1] for each in own] for name, own in groupby(rows, key=lambda row: row[0])}
