"""Layers over the depth of a network: layer metrics as lines, filter metrics as box plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from filterkit.charts.meanings import explain
from filterkit.charts.style import (
    ACCENT,
    LABEL_SIZE,
    LONGEST_NAME,
    SOFT,
    TYPE_COLOURS,
    LayerStats,
    caption,
    entitle,
    tidy,
)
from filterkit.errors import one_line
from filterkit.renderers.figures import INK, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISTRIBUTIONS = ("l2_norm", "redundancy", "frequency", "orientation_strength", "dc_share", "separability")
"""Filter metrics that are drawn."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

KEY = "Filters per layer (line: median; box: middle 50 %; whiskers: middle 90 %)"

PANEL_HEIGHT, NARROWEST, WIDEST = 1.15, 4.2, 12.0
BELOW_NAMES = 6
"""Points between the names of layers and the caption below them."""

PER_LAYER = 0.105
"""Inches. Panels are wide enough for the names of all layers below them."""


def depth_chart(layers: Sequence[LayerStats], title: str) -> Figure:
    """Draw `layers` from left to right in two columns of panels; metrics that no layer has are left out."""
    from matplotlib.figure import Figure

    several = len({layer.model for layer in layers}) > 1
    names = [one_line(f"{layer.model}/{layer.layer}" if several else layer.layer) for layer in layers]
    names = [shorten(name, LONGEST_NAME) for name in names]
    panels = list(_panels(layers))
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    width = min(max(NARROWEST, PER_LAYER * len(layers)), WIDEST)
    below = LABEL_SIZE / 72 * 0.65 * max(map(len, names))
    size = (columns * (width + 0.5), rows * (PANEL_HEIGHT + 0.45) + below + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    entitle(figure, title, KEY)
    grid = figure.add_gridspec(rows, columns)
    for number, (metric, draw) in enumerate(panels):
        column, row = divmod(number, rows)
        last = number == len(panels) - 1 or row == rows - 1
        axes = figure.add_subplot(
            grid[row:, column] if last else grid[row, column]
        )  # the last panel fills the remaining rows
        draw(axes)
        _lay_out(axes, layers, names if last else None, width)
        explain(axes, metric, width, pad=BELOW_NAMES if last else 1)
    return figure


def _panels(layers: Sequence[LayerStats]) -> Iterator[tuple[str, Callable[[Axes], None]]]:
    """The metric of each panel, and what draws it."""
    for name in layers[0].metrics:
        if any(layer.metrics[name] is not None for layer in layers):
            yield name, partial(_line, [layer.metrics[name] for layer in layers], layers, caption(name))
    if any(layer.dead for layer in layers):
        yield "dead", partial(_line, [layer.dead for layer in layers], layers, "dead filters")
    for name in DISTRIBUTIONS:
        if any(layer.values[name] for layer in layers):
            yield name, partial(_boxes, [layer.values[name] for layer in layers], caption(name))
    if any(layer.types for layer in layers):
        yield "classic_type", partial(_types, layers)


def _line(values: Sequence[float | None], layers: Sequence[LayerStats], title: str, axes: Axes) -> None:
    """A line through the layers of each model, with gaps for missing values."""
    tidy(axes, title)
    heights = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    for model in dict.fromkeys(layer.model for layer in layers):
        places = [place for place, layer in enumerate(layers) if layer.model == model]
        axes.plot(places, heights[places], color=ACCENT, linewidth=1.1, marker="o", markersize=2.6)


def _boxes(values: Sequence[Sequence[float]], title: str, axes: Axes) -> None:
    """A box plot per layer: median as a line, middle 50 % as a box, middle 90 % as whiskers."""
    tidy(axes, title)
    places = [place for place, of_layer in enumerate(values) if of_layer]
    found = np.array([np.quantile(values[place], QUANTILES) for place in places])
    lowest, low, median, high, highest = found.T
    axes.vlines(places, lowest, highest, color=SOFT, linewidth=1.2)
    axes.bar(places, high - low, bottom=low, width=0.62, color=SOFT)
    axes.use_sticky_edges = False  # keep medians at the ends of the axis fully visible
    axes.margins(y=0.08)
    axes.hlines(median, np.array(places) - 0.31, np.array(places) + 0.31, color=ACCENT, linewidth=1.6)


def _types(layers: Sequence[LayerStats], axes: Axes) -> None:
    """The shares of the classic types as stacked bars."""
    tidy(axes, "classic_type (share of filters)")
    below = np.zeros(len(layers))
    for name, colour in TYPE_COLOURS.items():
        shares = np.array([layer.types.get(name, 0) / layer.filters for layer in layers])
        if shares.any():
            axes.bar(range(len(layers)), shares, bottom=below, width=0.82, color=colour, label=name)
            below += shares
    axes.set_ylim(0, 1)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(TYPE_COLOURS),
        fontsize=LABEL_SIZE,
        frameon=False,
        borderpad=0,
        handlelength=0.9,
        handletextpad=0.4,
        columnspacing=0.9,
        labelcolor=INK,
    )


def _lay_out(axes: Axes, layers: Sequence[LayerStats], names: Sequence[str] | None, width: float) -> None:
    """The same x axis in all panels; names of layers only below the last panel of a column."""
    axes.set_xlim(-0.6, len(layers) - 0.4)
    for place in range(1, len(layers)):
        if layers[place].model != layers[place - 1].model:
            axes.axvline(place - 0.5, color="#c8c8c8", linewidth=0.8)
    every = math.ceil(len(layers) * PER_LAYER / width)
    places = range(0, len(layers), every)
    labels = [names[place] if names else "" for place in places]
    axes.set_xticks(places, labels, rotation=90, parse_math=False)
