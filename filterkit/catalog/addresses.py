"""Resolve addresses to layers, filters and kernels, and suggest corrections for those that match nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from filterkit.address import MODEL_SUFFIXES, Address, Selection, matching, parse_address, refuse_file
from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import layer, model
from filterkit.catalog.sqlite.statements import among, json_values
from filterkit.catalog.validation import check_rows, damaged_value
from filterkit.errors import AddressError, NotFoundError, UsageError, check_text, closest

Column = sa.ColumnElement[Any]
Selectable = sa.Column[Any] | sa.Table

BRIEF_MODEL: tuple[Selectable, ...] = (
    model.c.id,
    model.c.name,
    model.c.extra_metrics,
    model.c.extra_layer_metrics,
)
BRIEF_LAYER: tuple[Selectable, ...] = (
    layer.c.id,
    layer.c.name,
    layer.c.model_id,
    layer.c.filters,
    layer.c.kernels,
)
"""The columns that `resolve` itself needs; reading all of them is slow where thousands of layers match."""

EVERY = "*"
"""The glob that matches every name."""


@dataclass(frozen=True, slots=True)
class Match:
    """One layer that an address names, with the filters and kernels that it selects.

    Attributes
    ----------
    model, layer
        Their rows, with the columns that were read.
    filters, kernels
        The selected positions, in the order of the address.
    asked
        The address that was resolved.
    """

    model: Mapping[str, Any]
    layer: Mapping[str, Any]
    filters: Sequence[int]
    kernels: Sequence[int]
    asked: Address

    @property
    def address(self) -> str:
        """The address of the layer."""
        return f"{self.model['name']}/{self.layer['name']}"

    @property
    def bank_shape(self) -> tuple[int, ...]:
        """Shape of the layer's whole bank."""
        layer = self.layer
        return (layer["filters"], layer["kernels"] // layer["filters"], *layer["kernel_shape"])

    @property
    def filter_addresses(self) -> tuple[str, ...]:
        """The address of each selected filter."""
        return tuple(f"{self.address}/{number}" for number in self.filters)

    @property
    def selected_address(self) -> str:
        """The address of everything selected in the layer."""
        chosen = Address(self.model["name"], self.layer["name"], self.asked.filters, self.asked.kernels)
        return str(chosen)

    def __repr__(self) -> str:
        return f"<Match {self.selected_address!r}>"


def resolve(
    catalog: Catalog,
    address: Address,
    model_columns: Sequence[Selectable] = (model,),
    layer_columns: Sequence[Selectable] = (layer,),
) -> list[Match]:
    """The layers that `address` names, in the catalog's order, with the filters and kernels it selects.

    Rows have the given columns; by default all.

    Raises
    ------
    NotFoundError
        There is no such model, layer, filter or kernel; the hint lists the closest names.
    """
    with catalog.connect() as connection:
        return find(connection, address, model_columns, layer_columns)


def resolve_each(catalog: Catalog, addresses: Iterable[Address]) -> list[Match]:
    """Resolve each of `addresses`, in their order; raises as `resolve` does."""
    read: dict[Address, list[Match]] = {}
    found = []
    with catalog.connect() as connection:
        for address in addresses:
            place = Address(address.model, address.layer)
            if place not in read:
                read[place] = find(connection, place, (model,), (layer,))
            found += [_match(match.model, match.layer, address) for match in read[place]]
    return [match for match in found if match.filters and match.kernels]


def find(
    connection: sa.Connection,
    address: Address,
    model_columns: Sequence[Selectable] = BRIEF_MODEL,
    layer_columns: Sequence[Selectable] = BRIEF_LAYER,
) -> list[Match]:
    """`resolve` on an open connection, with the given columns, which must include the default ones."""
    whole = str(address)
    named = {row["id"]: row for row in models_named(connection, address.model, model_columns, whole)}
    names = {row["name"] for row in named.values()}
    chosen = _layers_named(connection, list(named), address.layer, layer_columns, whole, names)
    matches = [_match(named[row["model_id"]], row, address) for row in chosen]
    matches = [match for match in matches if match.filters and match.kernels]
    if not matches:
        raise NotFoundError(
            f"'{address}' selects none of the filters or kernels there",
            hint="a range excludes its end: 0:6 selects 0 to 5",
        )
    return matches


def models_named(
    connection: sa.Connection,
    pattern: str,
    columns: Sequence[Selectable] = BRIEF_MODEL,
    whole: str | None = None,
) -> list[Mapping[str, Any]]:
    """The models of that name, or that match it as a glob, in the order in which they were added.

    Raises
    ------
    NotFoundError
        There is none; the hint lists the closest names. An AddressError if `whole`, the address that begins
        with `pattern`, is written incorrectly, e.g. lacks its model.
    """
    check_text("a model's name", pattern)
    columns = tuple(columns)
    if pattern == EVERY:
        found = connection.execute(_models(columns)).mappings().all()
    else:
        found = connection.execute(_model_by_name(columns), {"wanted": pattern}).mappings().all()
    if not found:
        names = [
            row["name"] for row in check_rows(connection.execute(_NAMES).mappings(), {"name": model.c.name})
        ]
        wanted = matching(pattern, names)
        if not wanted:
            raise _no_model(connection, pattern, names, whole)
        query = _models(columns).where(among(model.c.name, wanted))
        found = connection.execute(query).mappings().all()
    return _checked(found, columns)


def _no_model(
    connection: sa.Connection, pattern: str, names: Sequence[str], whole: str | None
) -> NotFoundError:
    if pattern == EVERY:
        return NotFoundError("the catalog has no models", hint="`filterkit add vgg16` adds one")
    message = f"there is no model '{pattern}' in the catalog"
    # Of the file that a model was made of, or an address where a model is expected.
    likely = (MODEL_SUFFIXES.sub("", pattern), pattern.partition("/")[0])
    wanted = next((name for name in likely if name in names), pattern)
    hint = closest(wanted, names) if names else "`filterkit add vgg16` adds one"
    if whole is None:  # the request is for a model, not for a layer
        return NotFoundError(message, hint=hint)
    layers = layers_of_models(connection)
    meant = with_a_model(layers, whole)
    is_close = hint.startswith("did you mean")
    if not meant and (not is_close or (wanted == pattern and MODEL_SUFFIXES.search(pattern))):
        refuse_file(whole)
    if not meant and not is_close:
        meant = like_a_layer(layers, whole)
    if meant:
        return AddressError(f"{message}; an address is model/layer/filters", written=whole, meant=meant)
    return NotFoundError(message, hint=hint)


# Plain names, which most addresses consist of, are looked up by cached statements: building a statement takes
# longer than running it.


_NAMES = sa.select(model.c.name)


@cache
def _models(columns: tuple[Selectable, ...]) -> sa.Select[Any]:
    return sa.select(*columns).order_by(model.c.id)


@cache
def _model_by_name(columns: tuple[Selectable, ...]) -> sa.Select[Any]:
    return sa.select(*columns).where(model.c.name == sa.bindparam("wanted"))


@cache
def _layers_of(columns: tuple[Selectable, ...]) -> sa.Select[Any]:
    models = json_values(sa.bindparam("models"))
    return sa.select(*columns).where(layer.c.model_id.in_(models)).order_by(layer.c.id)


@cache
def _layers_by_name(columns: tuple[Selectable, ...]) -> sa.Select[Any]:
    return _layers_of(columns).where(layer.c.name == sa.bindparam("wanted"))


def _layers_named(
    connection: sa.Connection,
    models: Sequence[int],
    pattern: str | None,
    columns: Sequence[Selectable],
    whole: str,
    names_of_models: Collection[str],
) -> list[Mapping[str, Any]]:
    """The layers of that name, or that match it as a glob; None means all."""
    of_models = {"models": json.dumps(models)}
    columns = tuple(columns)
    if pattern is None:
        found = connection.execute(_layers_of(columns), of_models).mappings().all()
    else:
        by_name = {"wanted": pattern, **of_models}
        found = connection.execute(_layers_by_name(columns), by_name).mappings().all()
    if not found:
        names = list(dict.fromkeys(connection.scalars(_layers_of((layer.c.name,)), of_models)))
        if pattern is None or not names:
            raise NotFoundError(
                "no layer could be extracted there", hint="`filterkit layers MODEL --skipped` says why"
            )
        wanted = matching(pattern, names)
        if not wanted:
            where = next(iter(names_of_models)) if len(names_of_models) == 1 else "these models"
            message = f"there is no layer '{pattern}' in {where}"
            for name in names_of_models if len(names_of_models) == 1 else ():
                meant = with_a_layer(name, names, whole.partition("/")[2])
                if meant:
                    raise AddressError(message, written=whole, meant=meant)
            raise NotFoundError(message, hint=closest(pattern, names))
        query = _layers_of(columns).where(among(layer.c.name, wanted))
        found = connection.execute(query, of_models).mappings().all()
    return _checked(found, columns)


def _checked(rows: Sequence[sa.RowMapping], selected: Sequence[Selectable]) -> list[Mapping[str, Any]]:
    columns: dict[str, Column] = {}
    for each in selected:
        columns |= {each.name: each} if isinstance(each, sa.Column) else dict(each.columns.items())
    return [*check_rows(rows, columns)]


def _match(model_row: Mapping[str, Any], layer_row: Mapping[str, Any], address: Address) -> Match:
    name = f"{model_row['name']}/{layer_row['name']}"
    count = layer_row["filters"]
    each, rest = divmod(layer_row["kernels"], count)
    if rest:
        raise damaged_value("kernels", layer_row["kernels"])
    return Match(
        model_row,
        layer_row,
        _selected(address.filters, count, f"filters of {name}"),
        _selected(address.kernels, each, f"kernels of each filter of {name}"),
        address,
    )


def _selected(selection: Selection | None, count: int, what: str) -> Sequence[int]:
    return range(count) if selection is None else selection.indices(count, what)


MOST_LAYERS = 20_000

NAMED = 2
"""How many addresses are suggested at most."""

CLOSE = 0.75
"""The minimum similarity of two names, from 0 to 1, for one to be suggested for the other."""

_SEPARATOR = re.compile(r"[^\w*?\]-]+")
"""What may separate parts instead of a slash: ``.``, ``\\``, ``:``, ``[``, spaces, and so on."""

Names = Mapping[str, Sequence[str]]
"""By model, its layers."""


def with_a_model(names: Names, text: str) -> list[str]:
    """Suggestions for `text`, which does not begin with a model and a slash."""
    every = (_separated(names, text), _completed(names, text), _separated(names, text, similar=True))
    return next(filter(None, map(_first, every)), [])


def like_a_layer(names: Names, text: str) -> list[str]:
    """Suggestions with a layer whose name is similar to the first part of `text`."""
    return _first(_misspelled(names, text))


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


def layers_of_models(connection: sa.Connection) -> Names:
    """The first `MOST_LAYERS` layers of the catalog, by model."""
    query = (
        sa.select(model.c.name, layer.c.name).join_from(model, layer).order_by(model.c.id, layer.c.id)
    ).limit(MOST_LAYERS)
    rows = [row for row in connection.execute(query) if all(isinstance(each, str) for each in row)]
    return {name: [each[1] for each in own] for name, own in groupby(rows, key=lambda row: row[0])}
