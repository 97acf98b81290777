"""Metrics of single filters, wherever in the catalog they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import METRIC_COLUMNS, filter_
from filterkit.catalog.validation import check_of, damaged_value

TEXTS = {name for name in METRIC_COLUMNS if isinstance(filter_.c[name].type, sa.String)}
BOOLEANS = {name for name in METRIC_COLUMNS if isinstance(filter_.c[name].type, sa.Integer)}
"""SQLite holds a boolean as an integer, and the catalog no other one among its own metrics."""

_BY_NAMES = f"""
SELECT wanted.key, filter.extra, {", ".join(f'filter."{name}"' for name in METRIC_COLUMNS)}
FROM json_each(?) AS wanted
CROSS JOIN model ON model.name = json_extract(wanted.value, '$[0]')
CROSS JOIN layer ON layer.model_id = model.id AND layer.name = json_extract(wanted.value, '$[1]')
CROSS JOIN filter ON filter.layer_id = layer.id AND filter.position = json_extract(wanted.value, '$[2]')
"""
"""What is wanted comes first, and each of it is found by keys; SQLite keeps to the order of a CROSS JOIN."""


class FilterMetrics(NamedTuple):
    """From a column to one value per filter; None where the catalog has none, or has no such filter.

    Columns are filterkit's own as they are listed, then plugins' by name. Booleans are in both: 1 and 0 among
    numbers, yes and no among texts.
    """

    numbers: dict[str, list[float | None]]
    texts: dict[str, list[str | None]]


def metrics_of(catalog: Catalog, filters: Sequence[tuple[str, str, int]]) -> FilterMetrics:
    """The metrics of filters.

    Parameters
    ----------
    filters
        Model, layer and number of each.
    """
    numbers: dict[str, list[float | None]] = {}
    texts: dict[str, list[str | None]] = {}
    for name, values in _columns(catalog, filters).items():
        kinds = {type(value) for value in values} - {type(None)}
        is_text = name in TEXTS or str in kinds
        if not is_text:
            numbers[name] = [None if value is None else float(value) for value in values]
        if is_text or name in BOOLEANS or kinds == {bool}:
            texts[name] = [_word(value) for value in values]
    return FilterMetrics(numbers, texts)


def _columns(catalog: Catalog, filters: Sequence[tuple[str, str, int]]) -> dict[str, list[Any]]:
    """One value per filter in each column: a bool, a number, a text, or None."""
    columns: dict[str, list[Any]] = {name: [None] * len(filters) for name in METRIC_COLUMNS}
    with catalog.read() as reading, closing(reading.execute(_BY_NAMES, [json.dumps(filters)])) as found:
        for place, extra, *own in found:
            of_plugins = json.loads(extra) if extra else {}
            if not check_of(filter_.c.extra)(of_plugins):
                raise damaged_value("extra", extra)
            for name, value in zip(METRIC_COLUMNS, own, strict=True):
                if not check_of(filter_.c[name])(value):
                    raise damaged_value(name, value)
            for name, value in [*zip(METRIC_COLUMNS, own, strict=True), *of_plugins.items()]:
                if value is not None:
                    column = columns.setdefault(name, [None] * len(filters))
                    column[place] = bool(value) if name in BOOLEANS else value
    others = sorted(columns.keys() - {*METRIC_COLUMNS})
    return {name: columns[name] for name in (*METRIC_COLUMNS, *others)}


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
