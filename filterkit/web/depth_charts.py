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


def depth_charts(rows: Sequence[Row], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """What ``depth_charts.html`` draws: one chart per metric that differs between layers.

    Parameters
    ----------
    rows
        The layers in the order of the network.
    """
    return [chart for metric in metrics if (chart := _chart(rows, metric)) is not None]


def _chart(rows: Sequence[Row], metric: str) -> dict[str, Any] | None:
    values = [float(row[metric]) if is_number(row.get(metric)) else None for row in rows]
    found = [value for value in values if value is not None]
    if len(found) < 2:
        return None
    low, high = min(found), max(found)
    across = (WIDTH - 2 * INSET) / (len(rows) - 1)
    up = (HEIGHT - 2 * INSET) / (high - low) if high > low else 0.0
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
            points.append({"x": x, "y": y, "href": href(row["address"]), "title": title})
    return {
        "metric": metric,
        "path": "".join(path),
        "points": points,
        "low": low,
        "high": high,
        "first": rows[0]["layer"],
        "last": rows[-1]["layer"],
        "size": (WIDTH, HEIGHT),
    }
