"""Suggestions for an address that refers to nothing: its model is missing, or a slash is.

This runs only after an address was not found, so it may be slow; the number of layers it reads is limited.
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
"""How many addresses are suggested at most."""

CLOSE = 0.75
"""The minimum similarity of two names, from 0 to 1, for one to be suggested for the other."""

_SEPARATOR = re.compile(r"[^\w*?\]-]+")
"""What may separate parts instead of a slash: ``.``, ``\\``, ``:``, ``[``, spaces, and so on."""

Names = Mapping[str, Sequence[str]]
"""By model, its layers."""


def with_a_model(connection: sa.Connection, text: str) -> list[str]:
    """Suggestions for `text`, which does not begin with a model and a slash."""
    names = _names(connection)
    every = (_separated(names, text), _completed(names, text), _separated(names, text, similar=True))
    return next(filter(None, map(_first, every)), [])


def like_a_layer(connection: sa.Connection, text: str) -> list[str]:
    """Suggestions with a layer whose name is similar to the first part of `text`."""
    return _first(_misspelled(_names(connection), text))


def with_a_layer(name: str, layers: Sequence[str], rest: str) -> list[str]:
    """Suggestions where `name` is a model, but `rest` does not begin with one of its layers."""
    found = _layer_first(layers, rest)
    return _valid([f"{name}/{found}"] if found and found != rest else [])


def _separated(names: Names, text: str, *, similar: bool = False) -> Iterator[str]:
    """``vgg16.block1_conv1``: a model, another separator than a slash, and a layer or a `similar` name."""
    for name in sorted(names, key=len, reverse=True):
        mark = _SEPARATOR.match(text, len(name)) if text.startswith(name) else None
        if mark:
            rest = text[mark.end() :]
            found = _layer_first(names[name], rest)
            close = get_close_matches(rest, names[name], 1, CLOSE) if similar else [found]
            yield from (f"{name}/{each}" for each in close if each)


def _completed(names: Names, text: str) -> Iterator[str]:
    """``block1_conv1/0``: a layer without its model."""
    for name, layers in names.items():
        found = _layer_first(layers, text)
        if found:
            yield f"{name}/{found}"


def _misspelled(names: Names, text: str) -> Iterator[str]:
    """``blok1_conv1``: nearly the name of a layer, without its model."""
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
            after = rest.removeprefix("::") if rest.startswith("::") else rest[1:]
            numbers = re.findall(r"[-+0-9:,*]+", re.sub(r"\s*,\s*", ",", after))
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
