"""The highest values of each filter, compared with sorting all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.responses.top_k import NONE, TopK


def brute_force(values: Any, groups: Any, k: int) -> list[list[tuple[float, int]]]:
    """For each filter the values and pictures, one per group, by value and then by picture."""
    found = []
    for column in values.T:
        kept: dict[int, tuple[float, int]] = {}
        for picture in sorted(range(len(column)), key=lambda each: (-column[each], each)):
            kept.setdefault(int(groups[picture]), (float(column[picture]), picture))
        found.append(list(kept.values())[:k])
    return found


def pairs(top: TopK) -> list[list[tuple[float, int]]]:
    columns = zip(top.values.T.tolist(), top.pictures.T.tolist(), strict=True)
    return [[pair for pair in zip(*each, strict=True) if pair[1] != NONE] for each in columns]


def add(top: TopK, values: Any, pictures: Any, groups: Any) -> None:
    pictures = np.asarray(pictures, np.int64)[:, None]
    top.add(np.asarray(values, np.float32), pictures, pictures * 10, np.asarray(groups, np.int64)[:, None])


@pytest.mark.parametrize("batch", [1, 3, 50])
@pytest.mark.parametrize("groups", ["own", "shared"])
def test_equals_sorting(batch: int, groups: str) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-5, 6, (50, 7)).astype(np.float32)  # many are equal
    of_picture = np.arange(50) if groups == "own" else rng.integers(0, 12, 50)
    top = TopK.empty(9, 7)
    for start in range(0, 50, batch):
        some = np.arange(start, min(start + batch, 50))
        add(top, values[some], some, of_picture[some])
    assert pairs(top) == brute_force(values, of_picture, 9)
    assert np.array_equal(top.places, np.where(top.pictures == NONE, top.places, top.pictures * 10))


def test_the_order_of_merging_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    values = rng.integers(0, 4, (40, 5)).astype(np.float32)
    groups = rng.integers(0, 15, 40)
    parts = []
    for some in np.array_split(rng.permutation(40), 5):
        part = TopK.empty(6, 5)
        add(part, values[some], some, groups[some])
        parts.append(part)
    for order in (range(5), (4, 2, 0, 1, 3)):
        whole = TopK.empty(6, 5)
        for number in order:
            whole.merge(parts[number])
        assert pairs(whole) == brute_force(values, groups, 6)


def test_fewer_pictures_than_k() -> None:
    top = TopK.empty(4, 2)
    add(top, [[1, -3], [2, -4]], [0, 1], [-2, -3])
    assert pairs(top) == [[(2, 1), (1, 0)], [(-3, 0), (-4, 1)]]
