"""Response statistics of a layer, compared with NumPy over all responses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.responses.response_network import LayerResponses
from filterkit.responses.statistics import (
    Seen,
    Statistics,
    class_responses,
    pack,
    top_classes,
    unpack,
)

MAPS = np.random.default_rng(0).normal(size=(20, 6, 5, 7)).astype(np.float32)
MAPS[:, 5] = -np.abs(MAPS[:, 5])


def responses(maps: Any) -> LayerResponses:
    flat = maps.reshape(*maps.shape[:2], -1)
    return LayerResponses(
        flat.max(2),
        flat.argmax(2),
        flat.min(2),
        flat.argmin(2),
        flat.mean(2),
        (flat**2).mean(2),
        (flat > 0).mean(2, dtype=np.float32),
        maps.shape[2:],
    )


def of(numbers: Any, top: int = 4) -> Statistics:
    made = Statistics(6, top)
    for some in numbers:
        made.add(responses(MAPS[some]), Seen(np.asarray(some), -2 - np.asarray(some)))
    return made


def test_equal_those_of_numpy() -> None:
    made = of(np.split(np.arange(20), 5))
    found = made.columns()
    flat = MAPS.transpose(1, 0, 2, 3).reshape(6, -1).astype(np.float64)
    np.testing.assert_allclose(found["mean"], flat.mean(1), atol=1e-7)
    np.testing.assert_allclose(found["std"], flat.std(1), rtol=1e-6)
    np.testing.assert_allclose(found["active_share"], (flat > 0).mean(1), atol=1e-7)
    assert np.array_equal(found["max"], flat.max(1))
    assert np.array_equal(found["min"], flat.min(1))
    maxima = MAPS.max((2, 3))
    assert np.array_equal(found["fires_share"], (maxima > 0).mean(0))
    assert np.array_equal(made.highest.values, -np.sort(-maxima, axis=0)[:4])
    assert np.array_equal(-made.lowest.values, np.sort(MAPS.min((2, 3)), axis=0)[:4])
    _, y, x = unpack(made.highest.places)
    for filter_ in range(6):
        best = made.highest.pictures[0, filter_]
        assert MAPS[best, filter_, y[0, filter_], x[0, filter_]] == found["max"][filter_]


def test_neither_batches_nor_saving_change_a_bit() -> None:
    one, other = of(np.split(np.arange(20), 20)), of([np.arange(20)])
    halves = of([np.arange(10)])
    halves = Statistics.from_arrays(halves.to_arrays(), 6, 4)
    halves.add(responses(MAPS[10:]), Seen(np.arange(10, 20), -2 - np.arange(10, 20)))
    for name, array in one.to_arrays().items():
        assert array.tobytes() == other.to_arrays()[name].tobytes() == halves.to_arrays()[name].tobytes()


def test_shards_are_merged() -> None:
    whole, merged = of([np.arange(20)]), of([np.arange(12, 20)])
    merged.merge(of([np.arange(12)]))
    for name, array in whole.to_arrays().items():
        if name in ("total", "squares", "active"):
            np.testing.assert_allclose(merged.to_arrays()[name], array, rtol=1e-12)
        else:
            assert np.array_equal(merged.to_arrays()[name], array), name


@pytest.mark.parametrize("name", ["max", "highest.values", "maxima.keys", "counts"])
def test_other_arrays_are_refused(name: str) -> None:
    arrays = of([np.arange(20)]).to_arrays()
    for wrong in (arrays[name][:-1], arrays[name].astype(np.complex128)):
        with pytest.raises(ValueError, match=r"shape|buckets"):
            Statistics.from_arrays({**arrays, name: wrong}, 6, 4)
    del arrays[name]
    with pytest.raises(ValueError, match="names"):
        Statistics.from_arrays(arrays, 6, 4)


@pytest.mark.parametrize("sizes", [(), (9,), (4, 5), (2, 4, 5), (2, 2, 4, 5)])
def test_positions_are_packed(sizes: tuple[int, ...]) -> None:
    count = int(np.prod(sizes, dtype=int))
    grid = (1, 1, 1, *sizes)[-3:]
    z, y, x = unpack(pack(np.arange(count), sizes))
    assert np.array_equal((z * grid[1] + y) * grid[2] + x, np.arange(count))


def test_classes() -> None:
    means = np.array([[1, -1, 0], [3, -2, 0], [4, 2, 0], [9, 9, 9]], np.float32)
    found = class_responses([means[:3], means[3:]], [0, 0, 1, -1], 2, 3)
    assert np.array_equal(found, [[2, -1.5, 0], [4, 2, 0]])
    best, share = top_classes(found)
    assert best.tolist() == [1, 1, -1]
    np.testing.assert_allclose(share[:2], [2 / 3, 1])
