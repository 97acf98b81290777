"""Compute which frequencies kernels let through: the magnitude of their Fourier transform."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from filterkit.errors import UsageError, check_number
from filterkit.operations.export import bank

if TYPE_CHECKING:
    from filterkit.records import FloatArray
    from filterkit.session import Session

SIZES = {1: 256, 2: 64, 3: 32}
"""Frequencies per axis by default, by the number of axes."""

MOST_VALUES = 1 << 24
"""Limit on the values of a result; they are computed in complex numbers of 16 bytes."""


def frequency_response(session: Session, address: str, size: int | None) -> FloatArray:
    """See `Workbench.frequency_response`."""
    import numpy as np

    weights = bank(session, address)
    axes = tuple(range(2, weights.ndim))
    if size is None:
        largest = max(weights.shape[2:])
        size = max(SIZES.get(len(axes), 16), 1 << (largest - 1).bit_length())
    else:
        check_number("size", size, whole=True)
        if size < max(weights.shape[2:]):
            raise UsageError(
                f"size must be at least the {max(weights.shape[2:])} values of a side, not {size}",
                hint="leave it out for the default",
            )
    count = math.prod(weights.shape[:2]) * int(size) ** len(axes)
    if count > MOST_VALUES:
        raise UsageError(
            f"the frequency response would have {count:,} values; the limit is {MOST_VALUES:,}",
            hint=f"choose single kernels, e.g. {address.split('/')[0]}/LAYER/0/0, or a smaller size",
        )
    with np.errstate(all="ignore"):
        spectrum = np.fft.fftn(weights.astype(np.float64), (int(size),) * len(axes), axes)
        found: FloatArray = np.abs(np.fft.fftshift(spectrum, axes)).astype(np.float32)
    return found
