"""A hash that is equal for pictures that look the same, such as copies in another format or size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 8


def perceptual_hash(pixels: NDArray[Any]) -> int | None:
    """Difference hash of a picture (N. Krawetz, "Kind of like that", 2013): 63 bits.

    The picture is reduced to 8 × 9 gray values; each bit says whether a value is smaller than the one to its
    right. Other than in the original, the first bit is left out, so that the number is positive.

    Parameters
    ----------
    pixels
        Shape (H, W, channels), uint8 or float32.

    Returns
    -------
    int or None
        None for a picture of one colour, which would be equal to any other of one colour.
    """
    from PIL import Image

    gray = Image.fromarray(pixels.mean(axis=2, dtype=np.float32))
    small = np.asarray(gray.resize((SIDE + 1, SIDE), Image.Resampling.BOX))
    if np.ptp(small) == 0:
        return None
    bits = (small[:, :-1] < small[:, 1:]).ravel()[1:]
    return int("".join("01"[bit] for bit in bits.astype(int)), 2)
