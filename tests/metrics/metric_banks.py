"""Filter banks for the tests of metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filterkit.records import FilterBank


def bank(weights: NDArray[np.floating], input_channels: tuple[str, ...] = ()) -> FilterBank:
    rank = weights.ndim - 2
    ones, zeros = (1,) * rank, (0,) * rank
    return FilterBank(
        node="n", op="Conv", weights=weights, bias=None, in_channels=weights.shape[1],
        out_channels=weights.shape[0], groups=1, kernel_shape=weights.shape[2:], strides=ones, dilations=ones,
        pads=zeros * 2, auto_pad="NOTSET", output_padding=zeros, input_tensor="x", weight_tensor="w",
        pre_tensor="y", post_tensor="y", pre_layout="NCHW", post_layout="NCHW", activation=None,
        source_dtype=str(weights.dtype), source_layout="OIHW", input_channels=input_channels,
    )  # fmt: skip


def random_weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Weights as a layer has them that was never trained."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


BROKEN = [np.nan, np.inf, -np.inf]
EXTREMES = [np.float32(1e-42), np.float32(3e38), np.float64(1e-300), np.float64(1e300)]
"""Scales at which squares of weights are too small or too large for their type."""
