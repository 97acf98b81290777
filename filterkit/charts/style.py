"""How charts look: colours, and axes with as little ink as will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import one_line
from filterkit.renderers.paper import FAINT, INK
from filterkit.renderers.text import shorten

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
"""Letters of the title, and of the name of a metric or a layer."""

UNITS = {"frequency": "cycles per pixel", "orientation": "degrees"}


def caption(metric: str) -> str:
    """The name of a metric, and its unit."""
    name = shorten(one_line(metric), LONGEST_NAME)
    return f"{name} ({UNITS[metric]})" if metric in UNITS else name


def entitle(figure: Figure, title: str, words: str) -> None:
    """Put `title` over the panels of a figure, and `words` below them."""
    figure.suptitle(
        shorten(one_line(title), LONGEST_TITLE),
        x=0.01,
        ha="left",
        size=TITLE_SIZE,
        color=INK,
        parse_math=False,
    )
    figure.supxlabel(words, x=0.01, ha="left", size=LABEL_SIZE + 1, color=FAINT, parse_math=False)


def tidy(axes: Axes, title: str) -> None:
    """Give a panel its title, and take away what no eye needs."""
    axes.set_title(title, loc="left", size=PANEL_SIZE, color=INK, parse_math=False, pad=4)
    axes.tick_params(labelsize=LABEL_SIZE, length=2, color=FAINT, labelcolor=FAINT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c8c8c8")
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
