"""Which filters a question is about: those that an address names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import sqlalchemy as sa

from filterkit.address import Address
from filterkit.catalog import rows
from filterkit.catalog.database import Catalog
from filterkit.catalog.matches import Column, find
from filterkit.catalog.schema import filter_, model
from filterkit.catalog.values import check_of, damaged_value

Kind = Literal["all", "layer", "layers", "filters"]

_EXTRA_METRICS = (
    "SELECT extra_metrics, extra_layer_metrics FROM model "
    "WHERE extra_metrics <> '[]' OR extra_layer_metrics <> '[]' "
    "UNION ALL SELECT '[]', '[]' WHERE EXISTS (SELECT 1 FROM model)"
)
"""At least one row where there is a model. An index holds just those with any."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The filters that an address names.

    Attributes
    ----------
    kind, value
        ``"all"`` there are; those of one ``"layer"``, `value` being its id; of several ``"layers"``, their
        ids in a JSON list; or single ``"filters"``, their layers' ids and positions in a JSON list.
    extra, extra_of_layers
        The metrics that plugins measured of these models, and of their layers.
    """

    kind: Kind
    value: int | str | None
    extra: tuple[str, ...]
    extra_of_layers: tuple[str, ...]

    @property
    def columns(self) -> dict[str, Column]:
        """What conditions and orders can name."""
        return rows.searchable(self.extra, self.extra_of_layers)


def choose(catalog: Catalog, address: Address) -> Chosen:
    """The filters of `address`.

    Raises
    ------
    NotFoundError
        Where it names nothing.
    """
    if str(address) == "*":
        with catalog.read() as reading:
            found = [tuple(map(_names, lists)) for lists in reading.execute(_EXTRA_METRICS)]
        if found:
            return Chosen("all", None, *_extra(found))
    with catalog.connect() as connection:
        matches = find(connection, address)
    extra = _extra((match.model["extra_metrics"], match.model["extra_layer_metrics"]) for match in matches)
    ids = [match.layer["id"] for match in matches]
    if address.filters is not None:
        pairs = [(match.layer["id"], position) for match in matches for position in match.filters]
        return Chosen("filters", json.dumps(pairs), *extra)
    return Chosen("layer", ids[0], *extra) if len(ids) == 1 else Chosen("layers", json.dumps(ids), *extra)


def is_chosen(kind: Kind) -> Column:
    """The condition that holds for the filters of a `Chosen`; its value is bound to the name ``chosen``."""
    value: Column = sa.bindparam("chosen")
    each = sa.func.json_each(value).table_valued("value").c.value
    if kind == "filters":
        key = sa.tuple_(filter_.c.layer_id, filter_.c.position)
        return key.in_(sa.select(sa.func.json_extract(each, "$[0]"), sa.func.json_extract(each, "$[1]")))
    if kind == "layers":
        return filter_.c.layer_id.in_(sa.select(each))
    return filter_.c.layer_id == value if kind == "layer" else sa.true()


def _names(stored: Any) -> list[str]:
    names: list[str] = json.loads(stored)
    if not check_of(model.c.extra_metrics)(names):
        raise damaged_value("extra_metrics", stored)
    return names


def _extra(pairs: Iterable[Sequence[list[str]]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names in the first lists and in the second ones, each once."""
    of_filters, of_layers = zip(*pairs, strict=True)
    return tuple(dict.fromkeys(chain(*of_filters))), tuple(dict.fromkeys(chain(*of_layers)))
