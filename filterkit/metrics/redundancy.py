"""The similarity of a filter to the most similar other filter of its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import MOST_PAIRED, cosine_blocks, filter_peaks, unit_filters

if TYPE_CHECKING:
    from filterkit.records import FilterBank


@dataclass(frozen=True)
class RedundancyMetric:
    """``redundancy``: the largest |w·v| / (‖w‖‖v‖) of a filter w and another filter v of its layer, 0 to 1.

    1 means a copy up to scale and sign (cosine similarity of filters as a measure of redundancy: Singh et
    al., "Leveraging Filter Correlations for Deep Model Compression", WACV 2020). Biases are ignored.

    It is 0 for an all-zero filter. It is undefined for the only filter of a layer, for filters with NaN or
    infinite weights, which are also ignored by the others, and in layers of more than 16,384 filters. Cosines
    are computed in float32 and exact to about a millionth.
    """

    columns: ClassVar[tuple[str, ...]] = ("redundancy",)

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One float64 array of shape (out_channels,).

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        largest = np.full(len(bank.weights), np.nan)
        if 1 < len(largest) <= MOST_PAIRED:
            for rows, cosines in cosine_blocks(unit_filters(bank)):
                largest[rows] = cosines.max(axis=1)
        largest[~np.isfinite(filter_peaks(bank))] = np.nan
        return {"redundancy": largest}
