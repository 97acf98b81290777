"""Blocks of filters, put together again, are the whole bank."""

from __future__ import annotations

import numpy as np
import pytest
from metric_banks import bank

from filterkit.metrics import blocks
from filterkit.metrics.blocks import cosine_blocks, extent, filter_peaks, kernel_blocks, unit_filters

WEIGHTS = np.random.default_rng(0).normal(size=(7, 3, 3, 3)).astype(np.float32)
WEIGHTS[2] = 0
WEIGHTS[4, 1, 1, 1] = np.nan
WEIGHTS[5] *= np.float32(1e30)


@pytest.mark.parametrize(("numbers", "room"), [(1, 0), (60, 0), (60, 30), (1 << 18, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_block_by_block(
    numbers: int, room: int, dtype: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", numbers)
    found = list(kernel_blocks(bank(WEIGHTS), dtype, room=room))
    assert [place for where, _ in found for place in range(7)[where]] == list(range(7))
    for _, kernels in found:
        assert kernels.dtype == dtype
        assert len(kernels) == 1 or kernels.size + len(kernels) * room <= numbers
    whole = np.concatenate([kernels for _, kernels in found]).reshape(WEIGHTS.shape)
    for ours, weights in zip(whole, WEIGHTS.astype(np.float64), strict=True):
        peak = np.abs(weights).max()
        expected = weights / peak if np.isfinite(peak) and peak else np.zeros_like(weights)
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_peaks_are_largest_magnitudes() -> None:
    np.testing.assert_array_equal(filter_peaks(bank(WEIGHTS)), np.abs(WEIGHTS).max(axis=(1, 2, 3)))


@pytest.mark.parametrize("numbers", [1, 1 << 18])
def test_cosines_of_every_pair(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", numbers)
    rows = np.random.default_rng(1).normal(size=(1500, 2, 2, 2)).astype(np.float32)
    rows[7] = 0
    units = unit_filters(bank(rows))
    found = list(cosine_blocks(units))
    assert len(found) == 2
    cosines = np.concatenate([block for _, block in found])
    flat = rows.reshape(1500, -1).astype(np.float64)
    lengths = np.linalg.norm(flat, axis=1)
    lengths[7] = 1
    expected = np.abs(flat @ flat.T) / np.outer(lengths, lengths)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    assert cosines.max() <= 1 and not cosines[7].any()


def test_axes_of_one_weight_do_not_count() -> None:
    for shape, expected in (((3, 3), (3, 3)), ((3, 1, 3), (3, 3)), ((1, 1), ()), ((1, 5), (5,))):
        assert extent(bank(np.ones((2, 2, *shape), np.float32))) == expected
