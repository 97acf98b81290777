"""A mark by which weights are known again, however a framework has turned their axes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fingerprint(weights: NDArray[Any]) -> str:
    """Hash of the sorted numbers of `weights`: the same bits in any axis order give the same mark.

    Returns
    -------
    str
        How many numbers there are, and the SHA-256 of them as float32 in ascending order.
    """
    numbers = np.sort(np.asarray(weights, np.float32), axis=None)
    return f"{numbers.size}:{hashlib.sha256(numbers.data).hexdigest()}"


def size_of(mark: str) -> int:
    """How many numbers a `fingerprint` is of."""
    return int(mark.partition(":")[0])
