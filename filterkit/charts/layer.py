"""One layer: how the metrics of its filters are distributed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from filterkit.charts.style import ACCENT, LABEL_SIZE, TYPE_COLOURS, caption, entitle, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from filterkit.charts.data import LayerStats

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
"""The metrics that are drawn, and how far they reach from 0; None for as far as the largest value."""

BINS = 30
COLUMNS = 4


def layer_chart(layer: LayerStats, title: str) -> Figure:
    """Draw a histogram for each metric of filters that the layer has, and its classic types."""
    from matplotlib.figure import Figure

    names = [name for name in RANGES if layer.values[name]]
    count = len(names) + bool(layer.types)
    rows = math.ceil(count / COLUMNS)
    figure = Figure(figsize=(COLUMNS * 2.4, rows * 1.55 + 0.75), layout="constrained")
    entitle(figure, title, _words(layer))
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


def _types(axes: Axes, layer: LayerStats) -> None:
    tidy(axes, "classic_type")
    names = [name for name in TYPE_COLOURS if layer.types.get(name)]
    axes.bar(names, [layer.types[name] for name in names], color=[TYPE_COLOURS[name] for name in names])
    axes.set_xlim(-0.6, max(len(names), 4) - 0.4)
    axes.tick_params(axis="x", labelsize=LABEL_SIZE - 0.5)
    _count(axes)


def _count(axes: Axes) -> None:
    """Few ticks along a height that is a number of filters."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _words(layer: LayerStats) -> str:
    """What metrics say of the layer as a whole."""
    said = [f"{layer.filters:,} filters" if layer.filters > 1 else "1 filter"]
    said += [f"{layer.dead} dead"] if layer.dead else []
    said += [f"{caption(name)} {value:.3g}" for name, value in layer.metrics.items() if value is not None]
    half = math.ceil(len(said) / 2) if len(said) > 5 else len(said)
    return "\n".join(", ".join(part) for part in (said[:half], said[half:]) if part)
