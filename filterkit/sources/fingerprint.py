"""A fingerprint of weights that does not depend on the order of their axes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fingerprint(weights: NDArray[Any]) -> str:
    """Hash of the sorted values of `weights`: the same for any order of the axes.

    Returns
    -------
    str
        The number of values, and the SHA-256 of them as float32 in ascending order.
    """
    numbers = np.sort(np.asarray(weights, np.float32), axis=None)
    return f"{numbers.size}:{hashlib.sha256(numbers.data).hexdigest()}"


def size_of(mark: str) -> int:
    """The number of values behind a `fingerprint`."""
    return int(mark.partition(":")[0])
