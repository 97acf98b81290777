"""SmoothGrad: the mean gradient of noisy copies of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray

MOST_SAMPLES = 10_000


@dataclass(frozen=True)
class SmoothGrad:
    """The mean of the gradients of copies with Gaussian noise (Smilkov et al. 2017).

    Parameters
    ----------
    samples
        Number of copies.
    noise
        Standard deviation of the noise, as a share of the picture's range.
    seed
        Of the random numbers.
    """

    samples: int = 32
    noise: float = 0.15
    seed: int = 0

    local: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise UsageError(f"samples must be between 1 and {MOST_SAMPLES:,}, not {self.samples}")
        if not 0 <= self.noise < np.inf:
            raise UsageError(f"noise must not be negative, not {self.noise:g}")

    def attribute(self, subject: Subject) -> FloatArray:
        random = np.random.default_rng(self.seed)
        scale = self.noise * float(np.ptp(subject.whole))
        total = np.zeros(subject.picture.shape)
        for start in range(0, self.samples, 16):
            # The noise of a part is that of the whole picture, so that the result does not depend on it.
            noise = [
                subject.part(random.standard_normal(subject.whole.shape, dtype=np.float32))
                for _ in range(min(16, self.samples - start))
            ]
            total += subject.gradients(subject.picture + scale * np.stack(noise))[1].sum(
                axis=0, dtype=np.float64
            )
        return (total / self.samples).astype(np.float32)
