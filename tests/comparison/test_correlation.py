"""Correlations and centred kernel alignment equal NumPy's and the form with pairs of pictures."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterkit.comparison import correlation
from filterkit.comparison.correlation import ALONE, correlate, correlations_with, read_responses

Array = np.ndarray[Any, Any]


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cka_of_pictures(x: Array, y: Array) -> float:
    """HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) of the matrices of pairs of pictures, as in the paper."""
    count = len(x)
    centring = np.eye(count) - 1 / count
    k, m = (each.astype(np.float64) @ each.astype(np.float64).T for each in (x, y))

    def hsic(one: Array, other: Array) -> float:
        return float(np.trace(one @ centring @ other @ centring)) / (count - 1) ** 2

    return hsic(k, m) / float(np.sqrt(hsic(k, k) * hsic(m, m)))


@pytest.fixture(params=["whole", "in blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in blocks":
        monkeypatch.setattr(correlation, "BLOCK", 50)
        monkeypatch.setattr(correlation, "TILE", 3)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("pictures", "a", "b"), [(40, 8, 8), (40, 8, 5), (7, 8, 11), (2, 1, 1)])
def test_numpy_and_brute_force_agree(pictures: int, a: int, b: int) -> None:
    x = random(pictures, a) * 3 + 100
    y = x @ random(a, b, seed=1) + random(pictures, b, seed=2)
    one, other = read_responses(x), read_responses(y)
    np.testing.assert_allclose(one.means, x.astype(np.float64).mean(0), rtol=1e-14)
    np.testing.assert_allclose(one.lengths, x.astype(np.float64).std(0) * np.sqrt(pictures), rtol=1e-12)
    expected = np.corrcoef(x.T.astype(np.float64), y.T.astype(np.float64))[:a, a:]
    for number in range(a):
        got = correlations_with(one.centred_filter(number), other)
        np.testing.assert_allclose(got, expected[number], atol=1e-11)
    found = correlate(one, other)
    assert found.cka == pytest.approx(cka_of_pictures(x, y), abs=1e-9)
    if a == b:
        np.testing.assert_allclose(found.correlation, expected.diagonal(), atol=1e-11)
        assert found.partners.tolist() == list(range(a))
    else:
        assert np.isnan(found.correlation).all()
        assert set(found.partners.tolist()) == {ALONE}
    assert found.moved is None
    assigned = correlate(one, other, assign=True)
    chosen = assigned.partners != ALONE
    assert chosen.sum() == min(a, b)
    np.testing.assert_allclose(
        assigned.correlation[chosen], expected[np.arange(a)[chosen], assigned.partners[chosen]], atol=1e-11
    )
    assert np.isnan(assigned.correlation[~chosen]).all()
    assert assigned.cka == found.cka


@pytest.mark.usefixtures("blocks")
def test_pictures_in_another_order() -> None:
    x, y = random(30, 6), random(30, 6, seed=1)
    order = np.random.default_rng(2).permutation(30)
    stored = np.empty_like(y)
    stored[order] = y
    straight = correlate(read_responses(x), read_responses(y))
    shuffled = correlate(read_responses(x), read_responses(stored, order))
    assert shuffled.cka == pytest.approx(straight.cka, abs=1e-12)
    np.testing.assert_allclose(shuffled.correlation, straight.correlation, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    scale=st.floats(1e-3, 1e3),
    scales=st.lists(st.floats(0.01, 100) | st.floats(-100, -0.01), min_size=6, max_size=6),
    offset=st.floats(-10, 10),
)
def test_what_is_ignored(seed: int, scale: float, scales: list[float], offset: float) -> None:
    """CKA ignores rotations, one scale and offsets; a correlation ignores scale and offset of each filter."""
    x = random(25, 6, seed=seed).astype(np.float64)
    y = (x + 0.5 * random(25, 6, seed=seed + 1)).astype(np.float64)
    rotation, _ = np.linalg.qr(random(6, 6, seed=seed + 2))
    before = correlate(read_responses(x), read_responses(y))
    turned = correlate(read_responses(x), read_responses(scale * y @ rotation + offset))
    assert turned.cka == pytest.approx(before.cka, abs=1e-6)  # the rotation is of float32
    scaled = correlate(read_responses(x), read_responses(y * scales + offset * np.abs(scales)))
    np.testing.assert_allclose(scaled.correlation, before.correlation * np.sign(scales), atol=1e-9)
    assert 0 <= before.cka <= 1
    swapped = correlate(read_responses(y), read_responses(x))
    assert swapped.cka == pytest.approx(before.cka, abs=1e-12)


@given(order=st.permutations(range(9)))
@settings(deadline=None, max_examples=20)
def test_a_permutation_is_found(order: list[int]) -> None:
    x = random(20, 9)
    shuffled = np.empty_like(x)
    shuffled[:, order] = 2 * x + 0.1 * random(20, 9, seed=1) + 3
    found = correlate(read_responses(x), read_responses(shuffled), assign=True)
    assert found.partners.tolist() == order
    assert found.moved is not None
    assert found.moved.tolist() == [place != number for number, place in enumerate(order)]
    assert correlate(read_responses(x), read_responses(x[:, order])).cka == 1


def test_identical_layers() -> None:
    x = read_responses(random(30, 10))
    for other in (x, read_responses(random(30, 10))):
        found = correlate(x, other)
        assert (found.cka, found.correlation.tolist()) == (1, [1] * 10)


def test_constant_and_infinite_responses_are_undefined() -> None:
    x, y = random(20, 6) + 1, random(20, 6, seed=1) + 1
    x[:, 1] = 0
    y[:, 2] = np.float32(0.1)
    y[:, 3] = np.float32(0.1) * (1 + np.finfo(np.float32).eps * np.arange(20) % 3)
    y[4, 4] = np.inf
    x[5, 5] = np.nan
    one, other = read_responses(x), read_responses(y)
    assert one.varying.tolist() == [True, False, True, True, True, False]
    assert other.varying.tolist() == [True, True, False, False, False, True]
    found = correlate(one, other)
    assert np.isnan(found.correlation).tolist() == [False] + [True] * 5
    assert found.not_finite == 2
    assert found.cka == pytest.approx(cka_of_pictures(x[:, [0, 2, 3, 4]], y[:, [0, 1, 5]]), abs=1e-11)
    assert np.isnan(correlations_with(one.centred_filter(0), other)).tolist() == (~other.varying).tolist()
    dead = correlate(read_responses(np.zeros((20, 3), np.float32)), one)
    assert np.isnan(dead.cka)


def test_dead_filters_are_assigned_to_dead_ones() -> None:
    x = random(20, 5)
    x[:, [1, 3]] = 0
    order = [4, 3, 0, 1, 2]
    found = correlate(read_responses(x), read_responses(x[:, np.argsort(order)]), assign=True)
    assert [found.partners[number] for number in (0, 2, 4)] == [order[number] for number in (0, 2, 4)]
    assert {int(found.partners[number]) for number in (1, 3)} == {order[1], order[3]}
    assert np.isnan(found.correlation[[1, 3]]).all()


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e30, 3e38])
def test_numbers_at_the_end_of_all_numbers(size: float) -> None:
    x = np.clip(random(20, 4) / 4, -1, 1)
    big = (x * np.float32(size)).astype(np.float32)
    found = correlate(read_responses(big), read_responses(x))
    assert found.cka == pytest.approx(1, abs=1e-2 if size < 1e-40 else 1e-6)
    np.testing.assert_allclose(found.correlation, 1, atol=1e-2 if size < 1e-40 else 1e-6)


def test_responses_are_read_block_by_block(tmp_path: Path) -> None:
    """Memory does not depend on the number of pictures, nor is there a matrix of pairs of them."""
    pictures, filters = 60_000, 64  # 31 MB as float64; pairs of pictures would be 29 GB
    values = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (pictures, 2, filters))
    for start in range(0, pictures, 1000):
        values[start : start + 1000] = random(1000, 2, filters, seed=start)
    tracemalloc.start()
    one, other = read_responses(values[:, 0]), read_responses(values[:, 1])
    found = correlate(one, other, assign=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.cka < 0.01
    assert peak < 40e6
