"""One layer: how the metrics of its filters are distributed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from filterkit.charts.meanings import explain
from filterkit.charts.style import ACCENT, LABEL_SIZE, TYPE_COLOURS, caption, entitle, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from filterkit.charts.style import LayerStats

RANGES = {
    "l2_norm": None,
    "redundancy": 1.0,
    "frequency": None,
    "orientation": 180.0,
    "orientation_strength": 1.0,
    "dc_share": 1.0,
    "separability": 1.0,
    "even_share": 1.0,
    "channel_entropy": 1.0,
    "opponency": 1.0,
    "classic_score": 1.0,
}
"""Filter metrics that are drawn, and the upper end of their axes; None for the largest value."""

BINS = 30
COLUMNS = 4
PANEL_WIDTH = 2.4
"""Inches, numbers on the y axis included."""


def layer_chart(layer: LayerStats, title: str) -> Figure:
    """Draw a histogram of each filter metric of the layer, and its classic types."""
    from matplotlib.figure import Figure

    names = [name for name in RANGES if layer.values[name]]
    count = len(names) + bool(layer.types)
    rows = math.ceil(count / COLUMNS)
    figure = Figure(figsize=(COLUMNS * PANEL_WIDTH, rows * 1.85 + 0.75), layout="constrained")
    entitle(figure, title, _summary(layer))
    for number, name in enumerate(names, 1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        _histogram(axes, layer.values[name], name)
    if layer.types:
        _types(figure.add_subplot(rows, COLUMNS, count), layer)
    return figure


def _histogram(axes: Axes, values: Sequence[float], name: str) -> None:
    tidy(axes, caption(name))
    reach = RANGES[name] or max(values) or 1.0
    counts, edges = np.histogram(np.clip(values, 0, reach), BINS, (0, reach))
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=ACCENT)
    axes.set_xlim(0, reach)
    _count(axes)
    explain(axes, name, PANEL_WIDTH - 0.4)


def _types(axes: Axes, layer: LayerStats) -> None:
    tidy(axes, "classic_type")
    names = [name for name in TYPE_COLOURS if layer.types.get(name)]
    axes.bar(names, [layer.types[name] for name in names], color=[TYPE_COLOURS[name] for name in names])
    axes.set_xlim(-0.6, max(len(names), 4) - 0.4)
    axes.tick_params(axis="x", labelsize=LABEL_SIZE - 0.5)
    _count(axes)
    explain(axes, "classic_type", PANEL_WIDTH - 0.4)


def _count(axes: Axes) -> None:
    """A few integer ticks for a y axis of filter counts."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _summary(layer: LayerStats) -> str:
    """A summary of the layer's own metrics."""
    parts = [f"{layer.filters:,} filters" if layer.filters > 1 else "1 filter"]
    parts += [f"{layer.dead} dead"] if layer.dead else []
    parts += [f"{caption(name)} {value:.3g}" for name, value in layer.metrics.items() if value is not None]
    half = math.ceil(len(parts) / 2) if len(parts) > 5 else len(parts)
    return "\n".join(", ".join(line) for line in (parts[:half], parts[half:]) if line)
