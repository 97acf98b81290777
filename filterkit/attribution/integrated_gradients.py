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


@dataclass(frozen=True)
class IntegratedGradients:
    """The mean gradient on the straight way from a baseline to the picture, times their difference.

    The sum over all inputs is the difference between the values of the two (Sundararajan et al. 2017), up to
    the error of the sum in place of the integral, which is reported.

    Parameters
    ----------
    steps
        Points on the way (the middle of equal intervals).
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
        total = np.zeros(subject.picture.shape)
        for points in np.array_split((np.arange(self.steps) + 0.5) / self.steps, -(-self.steps // 16)):
            pictures = start + points[:, None, None, None].astype(way.dtype) * way
            total += subject.gradients(pictures)[1].sum(axis=0, dtype=np.float64)
        found: FloatArray = (total / self.steps * way).astype(np.float32)
        before, after = subject.values(np.stack([start, subject.picture]))
        difference, reached = float(after - before), float(found.sum(dtype=np.float64))
        share = abs(reached - difference) / abs(difference) if difference else float(reached != 0)
        subject.note(
            f"the sum {reached:.4g} differs by {share:.2%} from the difference between the picture and "
            f"the {self.baseline} baseline, {difference:.4g}" + ("; use more steps" if share > 0.01 else "")
        )
        return found
