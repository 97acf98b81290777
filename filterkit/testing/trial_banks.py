"""Make filter banks from arrays, and the banks with which metrics are checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.records import FilterBank
from filterkit.testing.arrays import trial_weights


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
