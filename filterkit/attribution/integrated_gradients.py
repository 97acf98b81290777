"""Integrated gradients: the contribution of each input to the difference from a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from filterkit.attribution.baselines import baseline
from filterkit.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray

MOST_STEPS = 10_000
TOGETHER = 8
"""Gradients that are computed before the next intervals are chosen."""

MOST_NUMBERS = 2**26
"""Limit on the size of all gradients, which are kept; with more, parts of the way are integrated apart."""


@dataclass(frozen=True)
class IntegratedGradients:
    """The mean gradient on the straight way from a baseline to the picture, times their difference.

    The sum over all inputs is the difference between the values of the two (Sundararajan et al. 2017), up to
    the error of the quadrature, which is reported. An eighth of the points divide the way evenly. The others
    bisect the intervals with the largest errors, as QUADPACK does (Piessens et al. 1983); the error of an
    interval is that of the trapezoidal rule, as the values at both ends are known. Near a baseline of one
    colour, where many units are equally far from their kinks, the gradient jumps most often.

    Parameters
    ----------
    steps
        Points on the way at which a gradient is computed, including both ends.
    baseline
        ``black``, ``gray``, ``white`` or ``blur``.
    """

    steps: int = 64
    baseline: Literal["black", "gray", "white", "blur"] = "black"

    local: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise UsageError(f"steps must be between 1 and {MOST_STEPS:,}, not {self.steps}")

    def attribute(self, subject: Subject) -> FloatArray:
        start = baseline(subject, self.baseline)
        way = subject.picture - start
        parts = -(-self.steps * way.size // MOST_NUMBERS)
        total = np.zeros(way.shape)
        # Parts near the baseline are shorter.
        for part, each in enumerate(np.array_split(np.arange(self.steps), parts)):
            total += _integral(subject, start, way, (part / parts) ** 2, ((part + 1) / parts) ** 2, len(each))
        found: FloatArray = (total * way).astype(np.float32)
        before, after = subject.values(np.stack([start, subject.picture]))
        difference, reached = float(after - before), float(found.sum(dtype=np.float64))
        share = abs(reached - difference) / abs(difference) if difference else float(reached != 0)
        subject.note(
            f"the sum {reached:.4g} differs by {share:.2%} from the difference between the picture and "
            f"the {self.baseline} baseline, {difference:.4g}" + ("; use more steps" if share > 0.01 else "")
        )
        return found


def _integral(
    subject: Subject, start: FloatArray, way: FloatArray, low: float, high: float, steps: int
) -> NDArray[np.float64]:
    """The integral of the gradient between two points of the way, from the gradients at `steps` points."""
    points = np.linspace(low, high, min(steps, steps // 8 + 2)) if steps > 1 else np.array([(low + high) / 2])
    places, values, slopes = np.empty((3, 0))
    gradients: list[FloatArray] = []
    while len(points):
        for few in np.array_split(points, -(-len(points) // TOGETHER)):
            some, back = subject.gradients(start + few[:, None, None, None].astype(way.dtype) * way)
            gradients.extend(back)
            values = np.append(values, some)
            slopes = np.append(slopes, np.tensordot(back, way.astype(np.float64), 3))
        places = np.append(places, points)
        order = np.argsort(places)
        ordered, lengths = places[order], np.diff(places[order])
        sums = lengths * (slopes[order][1:] + slopes[order][:-1]) / 2
        errors = np.abs(sums - np.diff(values[order]))
        worst = np.argsort(-errors, kind="stable")[: min(TOGETHER, steps - len(places))]
        points = ordered[worst] + lengths[worst] / 2
    widths = np.array([high - low])
    if steps > 1:
        padded = np.pad(ordered, 1, mode="edge")
        widths = (padded[2:] - padded[:-2]) / 2
    total = np.zeros(way.shape)
    for place, width in zip(order, widths, strict=True):
        total += width * gradients[place]
    return total
