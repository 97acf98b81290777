"""What the metrics in charts mean, and which direction is good, in one line each; see docs/metrics.md."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from filterkit.charts.style import LABEL_SIZE
from filterkit.renderers.figures import FAINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEANINGS = {
    "sparsity": "Share of kernels that are almost zero. Lower is better: they do nothing.",
    "variance_entropy": "Diversity of the kernels. 0: one pattern; higher: more. Neither is better.",
    "variance_entropy_normalized": "Relative to random kernels. About 1: random. Lower is better.",
    "orthogonality": "1: the filters are orthogonal. Higher is better: fewer of them do the same.",
    "stable_rank": "Directions that the weights use. 1: one; higher: more. Neither is better.",
    "log_norm": "Size of all weights (log₁₀ of Σλ). Neither is better.",
    "log_spectral_norm": "Largest amplification (log₁₀ of max λ). Higher: more. Neither is better.",
    "dead": "Filters with almost no weights. 0 is best: dead ones can be removed.",
    "l2_norm": "Size of a filter. Close to 0: it contributes little. Else neither is better.",
    "redundancy": "Largest |cosine| to another filter. Lower is better; 1: it is a copy.",
    "frequency": "Detail that a filter responds to. Higher: finer. Neither is better.",
    "orientation": "Direction of a filter's gradient, across its edges. Neither is better.",
    "orientation_strength": "1: all gradients along one line, as in an edge. Neither is better.",
    "dc_share": "Share of the response to uniform areas. 0: only contrast counts. Neither is better.",
    "separability": "1: each kernel is a column times a row, which is cheaper. Neither is better.",
    "even_share": "1: symmetric, as a blur; 0: antisymmetric, as an edge. Neither is better.",
    "channel_entropy": "1: all input channels count equally; 0: a single one. Neither is better.",
    "opponency": "1: responds to colour differences only; 0: to gray only. Neither is better.",
    "classic_score": "Similarity to the nearest classic kernel. 1: equal up to scale. Neither is better.",
    "classic_type": "Classic filters that the filters resemble. No type is better.",
}
"""By metric; those of plugins have none."""


def explain(axes: Axes, metric: str, width: float, *, pad: float = 1) -> None:
    """Write the meaning of a metric below a panel of this width in inches, `pad` points below its ticks."""
    letters = int(width * 72 / (0.53 * LABEL_SIZE))
    meaning = textwrap.fill(MEANINGS.get(metric, ""), letters)
    axes.set_xlabel(meaning, loc="left", size=LABEL_SIZE, color=FAINT, labelpad=pad)
