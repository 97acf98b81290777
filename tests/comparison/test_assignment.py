"""The best assignment of layers and of shuffled filters to each other."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterkit.comparison.assignment import Layer, Pair, assign, pair_by_name, pair_by_position


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(deadline=None)  # the first call imports SciPy
@given(order=st.permutations(range(12)), scale=st.floats(0.01, 100), noise=st.floats(0, 0.2))
def test_a_permutation_is_found_whatever_the_scale(order: list[int], scale: float, noise: float) -> None:
    bank = random(12, 4, 3, 3)
    shuffled = np.empty_like(bank)
    shuffled[order] = scale * (bank + noise * random(*bank.shape, seed=1))
    found = assign(bank, shuffled)
    assert found.filters.tolist() == order
    assert found.moved.tolist() == [place != number for number, place in enumerate(order)]
    np.testing.assert_array_equal(found.apply(shuffled), shuffled[order])


def test_the_best_of_all_assignments() -> None:
    a, b = random(6, 2, 3), random(6, 2, 3, seed=1)
    x, y = (bank.reshape(6, -1) / np.linalg.norm(bank.reshape(6, -1), axis=1)[:, None] for bank in (a, b))
    best = max(permutations(range(6)), key=lambda order: sum(x[n] @ y[order[n]] for n in range(6)))
    assert assign(a, b).filters.tolist() == list(best)


def test_the_order_of_the_channels_is_the_one_that_fits() -> None:
    bank = random(8, 6, 3, 3)
    filters, channels = np.random.default_rng(1).permutation(8), np.random.default_rng(2).permutation(6)
    shuffled = bank[filters][:, channels]
    others = [np.random.default_rng(seed).permutation(6) for seed in (3, 4)]
    found = assign(bank, shuffled, [others[0], np.argsort(channels), others[1]])
    np.testing.assert_array_equal(found.apply(shuffled), bank)
    assert assign(bank, bank, others).channels.tolist() == list(range(6))


def test_equal_filters_stay_where_they_are() -> None:
    bank = np.concatenate([np.zeros((3, 2, 3, 3), np.float32), np.repeat(random(1, 2, 3, 3), 3, axis=0)])
    assert not assign(bank, bank.copy()).moved.any()


def test_copies_up_to_scale_go_with_those_of_their_scale() -> None:
    bank = random(8, 4, 3, 3)
    bank[3], bank[6] = 2 * bank[1], 5 * bank[1]
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(8)
        np.testing.assert_array_equal(assign(bank, bank[order]).apply(bank[order]), bank)


def test_zero_filters_go_with_zero_filters() -> None:
    bank = random(4, 2, 3, 3)
    bank[1] = 0
    assert assign(bank, bank[[1, 0, 2, 3]]).filters.tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38, 1e-44])
def test_numbers_at_the_end_of_all_numbers(number: float) -> None:
    bank = random(5, 2, 3, 3)
    bank[2] = number
    order = [3, 1, 0, 4, 2]
    assert assign(bank, bank[np.argsort(order)]).filters.tolist() == order


A = [Layer("stem", (8, 3, 3, 3)), Layer("body", (8, 8, 3, 3)), Layer("head", (4, 8, 1, 1))]

B = [
    Layer("extra", (8, 3, 3, 3)),
    Layer("stem", (8, 3, 3, 3)),
    Layer("body", (16, 8, 3, 3)),
    Layer("x", (1, 1, 1)),
]

UNLIKE = "filters of shape 8×8×3×3 and 16×8×3×3 cannot be compared"

NAMELESS = "the other model has no layer of this name"


def test_by_name() -> None:
    assert pair_by_name(A, B) == [
        Pair(0, 1),
        Pair(1, 2, UNLIKE),
        Pair(2, None, NAMELESS),
        Pair(None, 0, NAMELESS),
        Pair(None, 3, NAMELESS),
    ]


def test_by_position() -> None:
    first, second, third, fourth = pair_by_position(A, B)
    assert first == Pair(0, 0)
    assert (second.a, second.b, second.reason) == (
        1,
        1,
        "filters of shape 8×8×3×3 and 8×3×3×3 cannot be compared",
    )
    assert third.reason == "filters of shape 4×8×1×1 and 16×8×3×3 cannot be compared"
    assert fourth == Pair(None, 3, "the other model has only 3 layers")
    assert pair_by_position(B[:1], A)[1:] == [
        Pair(None, n, "the other model has only 1 layer") for n in (1, 2)
    ]
