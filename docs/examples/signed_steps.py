"""An attribution method: the mean gradient of a darker and a brighter picture, times the input."""

from dataclasses import dataclass
from typing import ClassVar

import filterkit


@dataclass(frozen=True)
class SignedSteps:
    """`step` is a share of the range from black to white."""

    step: float = 0.05

    local: ClassVar[bool] = True

    def attribute(self, subject):
        import numpy as np

        away = self.step * (subject.white - subject.black)
        both = np.stack([subject.picture - away, subject.picture + away]).astype(np.float32)
        values, gradients = subject.gradients(both)
        subject.note(f"the value changes from {values[0]:.4g} to {values[1]:.4g}")
        return gradients.mean(axis=0) * subject.picture


@filterkit.hookimpl
def filterkit_attributions():
    return [filterkit.Contribution("signed-steps", "Mean gradient of two steps", SignedSteps)]
