"""Integrated gradients: the contribution of each input to the difference from a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from filterkit.attribution.baselines import baseline
from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray

MOST_STEPS = 10_000
TOGETHER = 16
"""Copies of the picture in memory."""


@dataclass(frozen=True)
class IntegratedGradients:
    """The mean gradient on the straight way from a baseline to the picture, times their difference.

    The sum over all inputs is the difference between the values of the two (Sundararajan et al. 2017), up to
    the error of the sum in place of the integral, which is reported. The sum is that of Gauss-Legendre
    quadrature, as by default in captum. Its points are denser at both ends, and the gradient jumps most often
    near the baseline: in a picture of one colour, many units are at the same distance from their kinks.

    Parameters
    ----------
    steps
        Points on the way. In deep networks, 128 equally spaced ones can miss the difference by several
        percent where as many of the quadrature miss it by less than 1 %.
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
        from scipy.special import roots_legendre

        start = baseline(subject, self.baseline)
        way = subject.picture - start
        total = np.zeros(subject.picture.shape)
        points, weights = roots_legendre(self.steps)  # between -1 and 1; the weights add up to 2
        for few in np.array_split(np.arange(self.steps), -(-self.steps // TOGETHER)):
            shares = (points[few, None, None, None] + 1) / 2
            gradients = subject.gradients(start + shares.astype(way.dtype) * way)[1]
            total += np.tensordot(weights[few] / 2, gradients, 1)
        found: FloatArray = (total * way).astype(np.float32)
        before, after = subject.values(np.stack([start, subject.picture]))
        difference, reached = float(after - before), float(found.sum(dtype=np.float64))
        share = abs(reached - difference) / abs(difference) if difference else float(reached != 0)
        subject.note(
            f"the sum {reached:.4g} differs by {share:.2%} from the difference between the picture and "
            f"the {self.baseline} baseline, {difference:.4g}" + ("; use more steps" if share > 0.01 else "")
        )
        return found
