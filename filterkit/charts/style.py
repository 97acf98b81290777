"""The data of charts, and their style: colours and unobtrusive axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filterkit.errors import one_line
from filterkit.renderers.figures import FAINT, INK, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT, SOFT = "#2f6690", "#a9c4d9"
TYPE_COLOURS = {
    "edge": "#2f6690",
    "blur": "#81b29a",
    "sharpen": "#e09f3e",
    "emboss": "#9e2a2b",
    "pointwise": "#9d8ec7",
    "other": "#dcdcdc",
}
TITLE_SIZE, PANEL_SIZE, LABEL_SIZE = 11.0, 8.0, 6.5
"""Font sizes in points."""

LONGEST_TITLE, LONGEST_NAME = 80, 28
"""Maximum number of characters of the title, and of the name of a metric or layer."""

UNITS = {"frequency": "cycles per pixel", "orientation": "degrees"}


def caption(metric: str) -> str:
    """The name of a metric with its unit."""
    name = shorten(one_line(metric), LONGEST_NAME)
    return f"{name} ({UNITS[metric]})" if metric in UNITS else name


def entitle(figure: Figure, title: str, note: str) -> None:
    """Put `title` above the panels of a figure and `note` below them."""
    figure.suptitle(
        shorten(one_line(title), LONGEST_TITLE),
        x=0.01,
        ha="left",
        size=TITLE_SIZE,
        color=INK,
        parse_math=False,
    )
    figure.supxlabel(note, x=0.01, ha="left", size=LABEL_SIZE + 1, color=FAINT, parse_math=False)


def tidy(axes: Axes, title: str) -> None:
    """Set the title of a panel and remove clutter."""
    axes.set_title(title, loc="left", size=PANEL_SIZE, color=INK, parse_math=False, pad=4)
    axes.tick_params(labelsize=LABEL_SIZE, length=2, color=FAINT, labelcolor=FAINT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c8c8c8")
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)


@dataclass(frozen=True, slots=True, eq=False)
class LayerStats:
    """Metrics of one layer and its filters.

    Attributes
    ----------
    model, layer
        Names of the model and the layer.
    filters, dead
        Number of filters, and how many of them are dead (None if not measured).
    metrics
        Metrics of the layer; None if undefined or not measured.
    values
        Metrics of filters to the defined values of the filters.
    types
        Number of filters of each classic type; empty if not measured.
    """

    model: str
    layer: str
    filters: int
    dead: int | None
    metrics: Mapping[str, float | None]
    values: Mapping[str, Sequence[float]]
    types: Mapping[str, int]
