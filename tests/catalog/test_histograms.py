"""Bounds of ranges: round numbers that contain every value."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from filterkit.catalog.histograms import round_bounds

ENDS = [
    *((0.0, 1.0), (-1.0, 1.0), (0.1, 0.3), (1e-300, 2e-300), (-1e300, 1e300), (1.0, 1.0 + 1e-15)),
    *((5e-324, 1e-323), (-1.7e308, 1.7e308), (1e15, 1e15 + 1), (0.0, 5e-324)),
]


@pytest.mark.parametrize("bins", [1, 2, 7, 20, 1000])
@pytest.mark.parametrize(("low", "high"), ENDS)
def test_bounds_contain_both_ends(low: float, high: float, bins: int) -> None:
    bounds = round_bounds(low, high, bins)
    assert bounds[0] <= low and high < bounds[-1]
    assert 1 <= len(bounds) - 1 <= bins
    assert all(one < other for one, other in itertools.pairwise(bounds))


def test_bounds_of_random_values_are_short_decimals() -> None:
    chance = random.Random(0)
    for _ in range(500):
        scale = 10 ** chance.uniform(-8, 8)
        low, high = sorted(chance.uniform(-scale, scale) for _ in range(2))
        bounds = round_bounds(low, high, 20)
        assert bounds[0] <= low and high < bounds[-1] and len(bounds) <= 21
        step = bounds[1] - bounds[0]
        assert float(f"{step:.6g}") / 10 ** math.floor(math.log10(step) + 1e-9) == pytest.approx(
            round(step / 10 ** math.floor(math.log10(step) + 1e-9)), rel=1e-6
        )


def test_bounds_are_numbers_that_a_person_would_choose() -> None:
    assert round_bounds(0.03, 0.97, 10) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert round_bounds(0, 511, 11) == [*range(0, 600, 50)]
    assert round_bounds(0, 3, 4) == [0, 1, 2, 3, 4]
