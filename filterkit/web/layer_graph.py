"""The graph of a model's layers as a drawing: coloured by a metric, each layer a link."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.web.graph_layout import SIDE, lay_out
from filterkit.web.links import href

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

MOST_LAYERS, MOST_EDGES = 1000, 5000
"""Larger graphs are not drawn: the table has their layers."""

LONGEST_NAME = 18
COLOURS = 7
"""Steps of the colours, from the lowest values to the highest; ``charts.css`` has them."""

WIDE = 100
"""If the highest value is so many times the lowest, the steps are equal factors instead of differences."""

STRUCTURE = ("parameters", "filters", "macs", "receptive_field")
"""Columns of layers that are no metrics, and colour the graph as well."""
NOT_NUMBERS = frozenset(("address", "model", "layer", "filters", "top_class"))


def metrics_of(rows: Sequence[Row], columns: Iterable[str]) -> list[str]:
    """The columns by which layers can be coloured: those with numbers."""
    named = dict.fromkeys((*(name for name in columns if name not in NOT_NUMBERS), *STRUCTURE))
    return [name for name in named if any(is_number(row.get(name)) for row in rows)]


def layer_graph(rows: Sequence[Row], edges: Sequence[Row], metric: str | None) -> dict[str, Any]:
    """What ``layer_graph.html`` draws.

    Parameters
    ----------
    rows
        One per layer, with ``address``, ``layer`` and the metric.
    edges
        As `Workbench.edges` returns them.
    """
    if len(rows) > MOST_LAYERS or len(edges) > MOST_EDGES:
        return {"is_too_large": True, "layers": len(rows), "edges": len(edges)}
    numbers = {row["address"]: place for place, row in enumerate(rows)}
    names: list[Any] = [row["address"] for row in rows]
    vias: dict[tuple[int, int], Sequence[str]] = {}
    for edge in edges:
        ends = edge["from_address"], edge["to_address"]
        keys = [end or (side, edge["tensor"]) for side, end in zip(("input", "output"), ends, strict=True)]
        for key in keys:
            if key not in numbers:
                numbers[key] = len(names)
                names.append(key)
        vias[numbers[keys[0]], numbers[keys[1]]] = edge["via"]
    drawn = lay_out(len(names), list(vias))
    steps = Steps([row.get(metric) for row in rows] if metric else [])
    nodes = [
        _layer(rows[number], place, metric, steps) if number < len(rows) else _end(names[number], place)
        for number, place in enumerate(drawn.places)
    ]
    words = [name if isinstance(name, str) else " ".join(name) for name in names]
    lines = [
        {
            "path": drawn.lines[pair],
            "title": f"{words[pair[0]]} → {words[pair[1]]}" + (f" via {', '.join(via)}" if via else ""),
        }
        for pair, via in vias.items()
    ]
    return {
        "nodes": nodes,
        "lines": lines,
        "size": (drawn.width, drawn.height),
        "side": SIDE,
        "legend": steps.legend() if metric else [],
        "layers": len(rows),
        "edges": len(edges),
    }


def _layer(row: Row, place: tuple[int, int], metric: str | None, steps: Steps) -> dict[str, Any]:
    value = row.get(metric) if metric else None
    said = f"{metric} {value:.4g}" if is_number(value) else f"{metric} unknown" if metric else ""
    return {
        "place": place,
        "href": href(row["address"]),
        "name": _brief(row["layer"]),
        "title": f"{row['layer']}: {said}" if said else row["layer"],
        "colour": steps.step(value),
    }


def _end(key: tuple[str, str], place: tuple[int, int]) -> dict[str, Any]:
    side, tensor = key
    name = _brief(f"{side} {tensor}")
    return {"place": place, "href": None, "name": name, "title": f"{side} {tensor}", "colour": None}


def _brief(name: str) -> str:
    """A name as it fits into its column, without its middle; the title has all of it."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def is_number(value: Any) -> bool:
    """Whether a value can be compared with others of its column."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Steps:
    """Ranges of equal width, or of equal factors where values differ much, from the lowest to the highest."""

    def __init__(self, values: Iterable[Any]) -> None:
        found = [float(value) for value in values if is_number(value)]
        low, high = (min(found), max(found)) if found else (0.0, 0.0)
        self._is_logarithmic = low > 0 and high > WIDE * low
        self._low, self._high = (math.log(low), math.log(high)) if self._is_logarithmic else (low, high)
        self._is_empty = not found

    def step(self, value: Any) -> int | None:
        """The number of a value's range, from 0 to `COLOURS` - 1; None if it is no number."""
        if not is_number(value) or self._is_empty:
            return None
        place = math.log(value) if self._is_logarithmic else float(value)
        width = self._high - self._low
        return min(int((place - self._low) / width * COLOURS), COLOURS - 1) if width > 0 else 0

    def legend(self) -> list[Mapping[str, Any]]:
        """The ranges that there are: their numbers and their bounds."""
        if self._is_empty:
            return []
        width = self._high - self._low
        ends = [self._low + width * number / COLOURS for number in range(COLOURS + 1)]
        bounds: list[float] = [math.exp(end) if self._is_logarithmic else end for end in ends]
        bounds = [round(bound) if abs(bound) >= 1000 else bound for bound in bounds]  # not 1.395e+04
        count = COLOURS if width > 0 else 1
        return [{"step": step, "low": bounds[step], "high": bounds[step + 1]} for step in range(count)]
