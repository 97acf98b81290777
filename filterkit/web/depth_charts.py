"""Metrics over the depth of a network, as small charts: a line with a point for each layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.web.layer_graph import is_number
from filterkit.web.links import href

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

WIDTH, HEIGHT = 320, 72
INSET = 6
"""Pixels between the points and the edge of a chart."""

MOST_POINTS = 300
"""Charts of more layers have no points: they would cover the line, and the table has their values."""


def same_everywhere(rows: Sequence[Row], metrics: Iterable[str]) -> dict[str, Any]:
    """The metrics that do not differ between layers, and so have no chart, with their value."""
    every = {metric: {row[metric] for row in rows if is_number(row.get(metric))} for metric in metrics}
    return {metric: values.pop() for metric, values in every.items() if len(values) == 1}


def depth_charts(rows: Sequence[Row], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """What ``depth_charts.html`` draws: one chart per metric that differs between layers.

    Parameters
    ----------
    rows
        The layers in the order of the network.
    """
    pages = [href(row["address"]) for row in rows]
    return [chart for metric in metrics if (chart := _chart(rows, pages, metric)) is not None]


def brief(value: float) -> float:
    """A number for an axis: whole if it is large, as ``17,030`` is easier to read than ``1.703e+04``."""
    return round(value) if abs(value) >= 1000 or float(value).is_integer() else value


def _chart(rows: Sequence[Row], pages: Sequence[str | None], metric: str) -> dict[str, Any] | None:
    values = [float(row[metric]) if is_number(row.get(metric)) else None for row in rows]
    found = [value for value in values if value is not None]
    low, high = min(found, default=0.0), max(found, default=0.0)
    if low == high:
        return None
    across = (WIDTH - 2 * INSET) / (len(rows) - 1)
    up = (HEIGHT - 2 * INSET) / (high - low)
    path, points, is_pen_down = [], [], False
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is None:
            is_pen_down = False
            continue
        x, y = round(INSET + number * across, 1), round(HEIGHT - INSET - (value - low) * up, 1)
        path.append(f"{'L' if is_pen_down else 'M'}{x} {y}")
        is_pen_down = True
        if len(rows) <= MOST_POINTS:
            title = f"{row['layer']}: {metric} {value:.4g}"
            points.append({"x": x, "y": y, "href": pages[number], "title": title})
    return {
        "metric": metric,
        "path": "".join(path),
        "points": points,
        "low": brief(low),
        "high": brief(high),
        "first": rows[0]["layer"],
        "last": rows[-1]["layer"],
        "size": (WIDTH, HEIGHT),
    }
