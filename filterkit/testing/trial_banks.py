"""Weights and filter banks with which plugins are checked, and a way to make banks from arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.records import FilterBank

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


def bank_of(
    weights: NDArray[np.floating[Any]],
    bias: NDArray[np.floating[Any]] | None = None,
    *,
    groups: int = 1,
    **fields: Any,
) -> FilterBank:
    """A bank as extracted from a convolution without padding that no node follows.

    Parameters
    ----------
    weights
        Shape (filters, in_channels / groups, *kernel_shape).
    bias
        Shape (filters,).
    fields
        Any other field of `FilterBank`.
    """
    rank = weights.ndim - 2
    layout = {1: "NCW", 2: "NCHW", 3: "NCDHW"}.get(rank, "NC")
    bank = FilterBank(
        node="conv",
        op="Conv",
        weights=weights,
        bias=bias,
        in_channels=weights.shape[1] * groups,
        out_channels=weights.shape[0],
        groups=groups,
        kernel_shape=weights.shape[2:],
        strides=(1,) * rank,
        dilations=(1,) * rank,
        pads=(0,) * 2 * rank,
        auto_pad="NOTSET",
        output_padding=(0,) * rank,
        input_tensor="image",
        weight_tensor="w",
        pre_tensor="maps",
        post_tensor="maps",
        pre_layout=layout,
        post_layout=layout,
        activation=None,
        source_dtype=str(weights.dtype),
        source_layout=layout.replace("NC", "OI", 1),
    )
    return replace(bank, **fields)


def trial_banks() -> Iterator[tuple[str, FilterBank]]:
    """Names and banks that a metric must support."""
    for name, weights in trial_weights():
        if weights.size:  # a convolution without weights is never extracted
            yield name, bank_of(weights)
    weights = np.random.default_rng(7).normal(size=(6, 2, 3, 3)).astype(np.float32)
    yield "a bias", bank_of(weights, np.arange(6, dtype=np.float32))
    yield "a grouped layer", bank_of(weights, groups=3)
    yield "a depthwise layer", bank_of(weights[:, :1], groups=6)
    yield "a first layer", bank_of(weights[:, [0, 1, 0]], input_channels=("R", "G", "B"))
