"""Metrics of single filters, wherever in the catalog they are."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing

import sqlalchemy as sa

from filterkit.catalog.database import Catalog
from filterkit.catalog.schema import METRIC_COLUMNS, filter_

NUMBERS = tuple(name for name in METRIC_COLUMNS if not isinstance(filter_.c[name].type, sa.String))

_BY_NAMES = f"""
SELECT wanted.key, filter.extra, {", ".join(f'filter."{name}"' for name in NUMBERS)}
FROM json_each(?) AS wanted
CROSS JOIN model ON model.name = json_extract(wanted.value, '$[0]')
CROSS JOIN layer ON layer.model_id = model.id AND layer.name = json_extract(wanted.value, '$[1]')
CROSS JOIN filter ON filter.layer_id = layer.id AND filter.position = json_extract(wanted.value, '$[2]')
"""
"""What is wanted comes first, and each of it is found by keys; SQLite keeps to the order of a CROSS JOIN."""


def metrics_of(catalog: Catalog, filters: Sequence[tuple[str, str, int]]) -> dict[str, list[float | None]]:
    """The metrics that are numbers, by column: filterkit's own as they are listed, then plugins' by name.

    Parameters
    ----------
    filters
        Model, layer and number of each.

    Returns
    -------
    dict
        From a column to one number per filter; None where the catalog has none, or has no such filter.
    """
    columns: defaultdict[str, list[float | None]] = defaultdict(lambda: [None] * len(filters))
    texts = set()
    with catalog.read() as reading, closing(reading.execute(_BY_NAMES, [json.dumps(filters)])) as found:
        for place, extra, *numbers in found:
            for name, value in [*zip(NUMBERS, numbers, strict=True), *_of_plugins(extra)]:
                if isinstance(value, str):
                    texts.add(name)
                elif value is not None:
                    columns[name][place] = float(value)
    of_plugins = sorted(columns.keys() - texts - {*NUMBERS})
    return {name: columns[name] for name in (*NUMBERS, *of_plugins)}


def _of_plugins(extra: str | None) -> Iterable[tuple[str, float | str | None]]:
    return json.loads(extra).items() if extra else ()
