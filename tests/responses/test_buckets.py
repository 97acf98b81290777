"""Counts in buckets: quantiles to the width of a bucket, and the same in any order."""

from __future__ import annotations

import numpy as np
import pytest

from filterkit.responses import buckets as module
from filterkit.responses.buckets import Buckets

SHARES = (0.0, 0.5, 0.99, 0.999, 1.0)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_quantiles_are_those_of_numpy_to_the_width_of_a_bucket(scale: float) -> None:
    values = (np.random.default_rng(0).normal(size=(3000, 4)) * scale).astype(np.float32)
    values[:, 1] = np.abs(values[:, 1])
    values[:, 2] = np.maximum(values[:, 2], 0)
    values[:, 3] = 0
    counts = Buckets()
    for part in np.array_split(values, 7):
        counts.add(part)
    found = counts.quantiles(SHARES, 4)
    expected = np.quantile(values, SHARES, axis=0, method="inverted_cdf")
    assert np.all(np.abs(found - expected) <= 0.016 * np.abs(expected))
    assert not found[:, 3].any()


def test_merging_is_exact_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 100)
    values = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    whole = Buckets()
    whole.add(values)
    for order in ([0, 1, 2], [2, 0, 1]):
        merged = Buckets()
        for number in order:
            part = Buckets()
            part.add(values[20 * number : 20 * number + 20])
            merged.merge(part)
        for name, array in whole.to_arrays().items():
            assert np.array_equal(merged.to_arrays()[name], array)


def test_a_filter_without_values_has_no_quantiles() -> None:
    assert np.isnan(Buckets().quantiles((0.5,), 2)).all()


def some_values() -> tuple[np.ndarray, Buckets]:
    values = np.random.default_rng(2).normal(size=(500, 4)).astype(np.float32)
    values[:, 1] = np.maximum(values[:, 1], 0)
    values[:, 2] = -np.abs(values[:, 2])
    values[:, 3] = 0
    counts = Buckets()
    counts.add(values)
    return values, counts


def test_the_share_below_is_exact_to_the_width_of_a_bucket() -> None:
    values, counts = some_values()
    for row in values[:50]:
        found = counts.share_below(row)
        wide = np.abs(row) * 0.016
        assert np.all(found <= (values < row).mean(axis=0))
        assert np.all(found >= (values < row - wide).mean(axis=0))
    assert counts.share_below(np.full(4, 100, np.float32)).tolist() == [1, 1, 1, 1]
    assert counts.share_below(np.full(4, -100, np.float32)).tolist() == [0, 0, 0, 0]
    assert np.isnan(Buckets().share_below(np.zeros(2, np.float32))).all()


@pytest.mark.parametrize("digits", [0, 1, 3, 6])
def test_a_histogram_counts_every_value(digits: int) -> None:
    values, counts = some_values()
    for number in range(4):
        low, high, found = counts.histogram(number, digits)
        assert found.sum() == len(values)
        assert (low < high).all()
        assert (high[:-1] <= low[1:]).all()
        for start, end, count in zip(low, high, found, strict=True):
            own = values[:, number]
            inside = (start < own) & (own <= end) if end <= 0 else (start <= own) & (own < end)
            assert inside.sum() == count
            if start > 1e-30:
                assert end / start <= 1 + 2.0**-digits
