"""The normalizer `root`."""

from dataclasses import dataclass

import numpy as np

import filterkit


@dataclass(frozen=True)
class Root:
    """Zero becomes 0.5, the largest magnitude 0 or 1 by its sign; a root interpolates between them."""

    degree: float = 2.0

    def __post_init__(self):
        if not 1 <= self.degree <= 10:
            raise ValueError("degree must be between 1 and 10")

    def normalize(self, values):
        finite = np.isfinite(values)
        reach = float(np.abs(values[finite]).max(initial=0)) or 1.0
        share = np.clip(values.astype(np.float64) / reach, -1, 1)
        drawn = 0.5 + 0.5 * np.sign(share) * np.abs(share) ** (1 / self.degree)
        return filterkit.Normalized(
            np.nan_to_num(drawn, nan=0.5).astype(np.float32),
            vmin=-reach,
            vmax=reach,
            centre=0.5,
            non_finite=int(values.size - finite.sum()),
            summary=f"root of degree {self.degree:g}",
        )
