"""Conditions as links: each adds a part to the condition of a page, or takes one away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.workbench import conjuncts

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

NAMES = {"classic_type": "classic type", "dead": "dead", "fires": "fires", "top_class": "top class"}
"""How facets are called on pages."""


def parts_of(where: str | None) -> list[str]:
    """The parts that are joined by ``and``.

    Raises
    ------
    UsageError
        The condition cannot be read.
    """
    return conjuncts(where) if where and where.strip() else []


def added(where: str | None, condition: str) -> str:
    """The condition with another part, once; what has an ``or`` is put in parentheses."""
    parts = parts_of(where)
    if len(parts) == 1 and len(conjuncts(f"{parts[0]} and 1 = 1")) == 1:
        parts = [f"({parts[0]})"]
    return " and ".join(parts if condition in parts else [*parts, condition])


def removed(where: str | None, condition: str) -> str:
    """The condition without one of its parts."""
    return " and ".join(part for part in parts_of(where) if part != condition)


def narrowed(where: str | None, column: str, low: float, high: float) -> str:
    """The condition with a range of a column, in place of the one that such a link has added before."""
    bounds = (f"{column} >= ", f"{column} < ", f"{column} = ")
    kept = [part for part in parts_of(where) if not part.startswith(bounds)]
    wanted = [f"{column} = {low!r}"] if low == high else [f"{column} >= {low!r}", f"{column} < {high!r}"]
    narrower = " and ".join(kept)
    for part in wanted:
        narrower = added(narrower, part)
    return narrower


def chosen(where: str | None) -> list[dict[str, str]]:
    """The parts of a condition, each with the condition without it."""
    return [{"condition": part, "where": removed(where, part)} for part in parts_of(where)]


def facet_groups(where: str | None, facets: Iterable[Row]) -> list[dict[str, Any]]:
    """The values of each facet, with the condition after following its link: with it, or without it again."""
    parts = parts_of(where)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in facets:
        is_on = row["condition"] in parts
        new = removed(where, row["condition"]) if is_on else added(where, row["condition"])
        value = row["value"]
        if row["facet"] == "dead" and value is not None:
            value = "yes" if value else "no"
        groups.setdefault(row["facet"], []).append(
            {"value": value, "filters": row["filters"], "where": new, "is_on": is_on}
        )
    return [{"name": NAMES[name], "values": values} for name, values in groups.items()]


def histogram_bars(where: str | None, found: Any, size: Sequence[int]) -> list[dict[str, Any]]:
    """The bars of a histogram in a drawing of this size, each with the condition that selects its filters."""
    width, height = size
    highest = max(found["filters"], default=0)
    step = width / max(1, len(found))
    bars = []
    for number, row in enumerate(found):
        tall = max(1.0, row["filters"] / highest * height) if row["filters"] else 0.0
        bars.append(
            {
                "x": round(number * step, 1),
                "y": round(height - tall, 1),
                "width": round(max(0.5, step - 1), 1),
                "height": round(tall, 1),
                "low": row["low"],
                "high": row["high"],
                "filters": row["filters"],
                "where": narrowed(where, found.column, row["low"], row["high"]),
            }
        )
    return bars
