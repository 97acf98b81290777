"""Weights with all kinds of shapes, dtypes and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def trial_weights() -> Iterator[tuple[str, Array]]:
    """Names and weights of shape (filters, kernels, *kernel_shape)."""
    plain = _normal(4, 3, 3, 3)
    yield "ordinary weights", plain
    yield "one-dimensional kernels", _normal(4, 3, 5)
    yield "three-dimensional kernels", _normal(2, 3, 3, 3, 3)
    yield "one filter", _normal(1, 3, 3, 3)
    yield "one kernel per filter", _normal(4, 1, 3, 3)
    yield "1×1 kernels", _normal(4, 3, 1, 1)
    yield "a single weight", _normal(1, 1, 1, 1)
    yield "oblong kernels", _normal(4, 3, 2, 5)
    yield "a wide layer", _normal(70, 65, 3, 3)
    yield "float16", plain.astype(np.float16)
    yield "float64", plain.astype(np.float64)
    yield "constant weights", np.full_like(plain, 0.25)
    yield "all-zero weights", np.zeros_like(plain)
    yield "one zero filter", np.concatenate([plain[:3], np.zeros_like(plain[:1])])
    yield "negative weights", -abs(plain) - 1
    yield "positive weights", abs(plain) + 1
    yield "one NaN", _with(plain, np.nan)
    yield "one infinity", _with(plain, np.inf)
    yield "NaN and both infinities", _with(plain, np.nan, np.inf, -np.inf)
    yield "only NaN", np.full_like(plain, np.nan)
    yield "only infinities", np.full_like(plain, -np.inf)
    yield "an empty layer", plain[:0]
    yield "filters without kernels", plain[:, :0]
    yield "huge weights", plain * np.float32(8e37)
    yield "huge float16", (plain * 15000).astype(np.float16)
    yield "huge float64", plain.astype(np.float64) * 5e307
    yield "tiny weights", plain * np.float32(1e-42)
    yield "a transposed view", np.ascontiguousarray(plain.T).T
    yield "every second filter", _normal(8, 3, 3, 3)[::2]


def _normal(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def _with(values: Array, *odd: float) -> Array:
    changed = values.copy()
    changed.reshape(-1)[: len(odd)] = odd
    return changed
