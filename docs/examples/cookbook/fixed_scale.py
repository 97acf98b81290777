"""Normalizer `fixed`: the same gray for the same weight in every picture. ``--normalizer fixed:limit=0.2``"""

from dataclasses import dataclass

import filterkit


@dataclass(frozen=True)
class Fixed:
    limit: float  # without a default: must be set

    def __post_init__(self):
        if not 0 < self.limit < float("inf"):
            raise ValueError("limit must be a number above 0")

    def normalize(self, values):
        import numpy as np

        finite = np.isfinite(values)
        drawn = np.clip(values.astype(np.float64), -self.limit, self.limit) / self.limit / 2 + 0.5
        drawn = np.nan_to_num(drawn, nan=0.5).astype(np.float32)
        odd = int(values.size - finite.sum())
        return filterkit.Normalized(drawn, -self.limit, self.limit, 0.5, odd, f"within ±{self.limit:g}")


@filterkit.hookimpl
def filterkit_normalizers():
    return [filterkit.Contribution("fixed", "One scale for all pictures", Fixed)]
