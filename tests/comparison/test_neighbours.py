"""The nearest neighbours, held against all similarities computed one by one in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterkit.comparison import neighbours
from filterkit.comparison.neighbours import Nearest, Turn, turns_of
from filterkit.comparison.similarity import lengths

Array = np.ndarray[Any, Any]


def nearest(query: Array, banks: list[Array], **options: Any) -> Nearest:
    return neighbours.nearest(query, ((bank, lengths(bank)) for bank in banks), **options)


def similarity(one: Array, other: Array, *, scale: bool) -> float:
    x, y = one.astype(float).ravel(), other.astype(float).ravel()
    if scale:
        return float(x @ y / np.sqrt(x @ x) / np.sqrt(y @ y))
    return float(2 * (x @ y) / (x @ x + y @ y))


def by_hand(
    query: Array, rows: Array, *, scale: bool, sign: bool, turns: Sequence[Turn]
) -> tuple[Array, Array]:
    """Numbers of the rows that can be compared, best first, and the similarity of each."""
    best = np.full(len(rows), -np.inf)
    for number, row in enumerate(rows):
        if np.isfinite(row).all() and (row.any() or not scale):
            each = [similarity(query, turn.apply(row), scale=scale) for turn in turns]
            best[number] = max(map(abs, each) if sign else each)
    order = np.argsort(-np.round(best, 12), kind="stable")
    order = order[np.isfinite(best[order])]
    return order, best[order]


def check(query: Array, banks: list[Array], limit: int, **same: Any) -> Nearest:
    found = nearest(query, banks, limit=limit, **same)
    rows = np.concatenate(banks)
    order, best = by_hand(query, rows, **same)
    np.testing.assert_allclose(found.similarities, best[:limit], rtol=0, atol=2e-12)
    assert len(set(found.positions.tolist())) == len(found.positions) == min(limit, len(order))
    close = np.flatnonzero(np.abs(np.diff(best)) < 1e-11)  # neighbours that rounding may exchange
    if not close.size:
        np.testing.assert_array_equal(found.positions, order[:limit])
    for position, value, turn, negated in zip(
        found.positions, found.similarities, found.turns, found.negated, strict=True
    ):
        turned = turn.apply(rows[position]) * (-1 if negated else 1)
        assert similarity(query, turned, scale=same["scale"]) == pytest.approx(value, abs=1e-11)
        assert same["sign"] or not negated
    return found


@pytest.mark.parametrize("shape", [(3, 3), (1,), (5,), (1, 7), (2, 3, 3), (4, 5, 5), (600, 3, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_every_size_and_type(shape: tuple[int, ...], dtype: str) -> None:
    random = np.random.default_rng(len(shape))
    banks = [random.normal(size=(count, *shape)).astype(dtype) for count in (1, 37, 90)]
    query = random.normal(size=shape)
    for scale in (True, False):
        for sign in (True, False):
            turns = turns_of(shape[-2:], flip=sign, rotate=scale)
            check(query, banks, 9, scale=scale, sign=sign, turns=turns)


def test_many_rows_in_many_blocks_with_copies_among_them() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(60_001, 3, 3)).astype(np.float32)
    query = rows[777].copy()
    rows[20_000], rows[40_000], rows[59_999] = 3.3 * query, query, -0.1 * query
    turns = turns_of((3, 3), flip=True, rotate=True)
    rows[50_000] = 2 * Turn(flipped=True, quarters=1).apply(query)
    found = nearest(query, [rows[:30_000], rows[30_000:]], limit=6, sign=True, turns=turns, leave_out=777)
    assert found.positions[:4].tolist() == [20_000, 40_000, 50_000, 59_999]
    assert found.similarities[:4].tolist() == [1, 1, 1, 1]
    assert [str(turn) for turn in found.turns[:4]] == ["identity", "identity", "@90f", "identity"]
    assert found.negated[:4].tolist() == [False, False, False, True]
    check(query, [rows[:3000]], 50, scale=True, sign=True, turns=turns)
    check(query, [rows[:3000]], 50, scale=False, sign=False, turns=turns)


def test_all_are_found_where_more_are_asked_for() -> None:
    random = np.random.default_rng(4)
    rows = random.normal(size=(20_000, 2)).astype(np.float32)
    found = nearest(np.array([1.0, 2]), [rows], limit=10**9)
    assert sorted(found.positions.tolist()) == list(range(20_000))
    assert (np.diff(found.similarities) <= 0).all()


def test_of_equal_ones_the_earlier_comes_first_however_many_there_are() -> None:
    rows = np.tile(np.arange(1, 10, dtype=np.float32), (30_000, 1)) * np.float32(0.37)
    assert nearest(np.arange(1, 10), [rows], limit=5).positions.tolist() == [0, 1, 2, 3, 4]
    near = np.arange(1, 10) + np.eye(9)[3]
    assert nearest(near, [rows], limit=5, scale=False).positions.tolist() == [0, 1, 2, 3, 4]
    pointwise = np.random.default_rng(0).normal(size=(30_000, 1, 1)).astype(np.float32)
    assert nearest(np.array([[2.0]]), [pointwise], limit=3, sign=True).positions.tolist() == [0, 1, 2]


@pytest.mark.parametrize("magnitude", [1e-44, 1e-25, 1e-15, 1e15, 1e25, 1e38])
def test_no_magnitude_is_beyond_reach(magnitude: float) -> None:
    random = np.random.default_rng(5)
    plain = random.normal(size=(100, 3, 3))
    rows = (plain * magnitude).astype(np.float32)
    rows[50:] = plain[50:]
    query = rows[7].astype(np.float64)
    for scale in (True, False):
        found = check(
            query, [rows], 8, scale=scale, sign=True, turns=turns_of((3, 3), flip=True, rotate=True)
        )
        assert (found.positions[0], found.similarities[0]) == (7, 1)


def test_in_double_precision_nothing_is_too_large_or_small() -> None:
    rows = np.array([[1e-300, 2e-300], [2e300, 1e300], [0, 5e-324]])
    found = nearest(np.array([1e200, 2e200]), [rows], limit=3)
    assert found.positions.tolist() == [0, 2, 1]
    np.testing.assert_allclose(found.similarities, [1, 2 / 5**0.5, 0.8])


def test_zeros_and_what_is_no_number_are_similar_to_nothing() -> None:
    rows = np.random.default_rng(6).normal(size=(10, 3, 3)).astype(np.float32)
    rows[1] = 0
    rows[2, 1, 1], rows[3, 0, 0], rows[4, 2, 2] = np.nan, np.inf, -np.inf
    found = nearest(rows[0], [rows], limit=20)
    assert sorted(found.positions.tolist()) == [0, 5, 6, 7, 8, 9]
    assert found.not_finite == 3
    found = nearest(rows[0], [rows], limit=20, scale=False)
    assert sorted(found.positions.tolist()) == [0, 1, 5, 6, 7, 8, 9]
    assert found.similarities[found.positions == 1].tolist() == [0]
    assert found.not_finite == 3


@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 2000, 6000])
def test_rows_of_zeros_come_between_what_is_like_the_query_and_its_contrary(sign: bool, limit: int) -> None:
    rows = np.zeros((5000, 3, 3), np.float32)
    rows[1000:1010], rows[3000:3010] = 1, -1
    turns = turns_of((3, 3), flip=True, rotate=True)
    found = check(np.ones((3, 3)), [rows[:2500], rows[2500:]], limit, scale=False, sign=sign, turns=turns)
    assert all(str(turn) == "identity" for turn in found.turns)
    first = [*range(1000, 1010), *(range(3000, 3010) if sign else ()), *range(1000)][:limit]
    assert found.positions[: len(first)].tolist() == first


def test_nothing_to_find() -> None:
    zeros = np.zeros((4, 3, 3), np.float32)
    found = nearest(np.ones((3, 3)), [zeros], limit=3, scale=False)
    assert (found.positions.tolist(), found.similarities.tolist()) == ([0, 1, 2], [0, 0, 0])
    found = nearest(np.ones((3, 3)), [zeros], limit=3)
    assert (len(found.positions), found.turns, found.not_finite) == (0, (), 0)
    assert nearest(np.ones((3, 3)), [], limit=3).positions.tolist() == []


def test_banks_are_not_written_to() -> None:
    rows = np.random.default_rng(7).normal(size=(100, 3, 3)).astype(np.float32)
    before = rows.copy()
    rows.flags.writeable = False
    nearest(rows[0], [rows, rows[:, ::-1]], limit=3, sign=True)
    np.testing.assert_array_equal(rows, before)


numbers = st.one_of(
    st.floats(-2, 2, width=32),
    st.sampled_from([0.0, 1.0, -1.0, 1e-30, 1e30, -3e38, 1e-45, float("nan"), float("inf")]),
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=30),
    query=st.lists(st.integers(-3, 3), min_size=4, max_size=4).filter(any),
    limit=st.integers(1, 40),
    scale=st.booleans(),
    sign=st.booleans(),
    flip=st.booleans(),
    rotate=st.booleans(),
)
def test_any_rows(
    rows: list[list[float]],
    query: list[int],
    limit: int,
    scale: bool,
    sign: bool,
    flip: bool,
    rotate: bool,
) -> None:
    bank = np.array(rows, np.float32).reshape(-1, 2, 2)
    turns = turns_of((2, 2), flip=flip, rotate=rotate)
    found = check(np.array(query).reshape(2, 2), [bank], limit, scale=scale, sign=sign, turns=turns)
    assert found.not_finite == (~np.isfinite(bank).all(axis=(1, 2))).sum()


EIGHT = ["identity", "@90", "@180", "@270", "@0f", "@90f", "@180f", "@270f"]


def test_a_square_has_eight_turns_all_different() -> None:
    turns = turns_of((3, 3), flip=True, rotate=True)
    assert [str(turn) for turn in turns] == EIGHT
    kernel = np.arange(9.0).reshape(3, 3)
    assert len({turn.apply(kernel).tobytes() for turn in turns}) == 8


def test_quarters_go_counter_clockwise_and_flips_come_first() -> None:
    kernel = np.array([[1, 2], [3, 4]])
    assert Turn(quarters=1).apply(kernel).tolist() == [[2, 4], [1, 3]]
    assert Turn(flipped=True).apply(kernel).tolist() == [[2, 1], [4, 3]]
    assert Turn(flipped=True, quarters=1).apply(kernel).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("turn", turns_of((3, 3), flip=True, rotate=True), ids=str)
def test_the_inverse_undoes_a_turn(turn: Turn) -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 3, 3))
    np.testing.assert_array_equal(turn.inverse.apply(turn.apply(kernel)), kernel)
    assert turn.inverse in turns_of((3, 3), flip=True, rotate=True)


@pytest.mark.parametrize(
    ("shape", "flip", "rotate", "names"),
    [
        ((3, 3), False, False, ["identity"]),
        ((3, 3), True, False, ["identity", "@0f"]),
        ((3, 3), False, True, EIGHT[:4]),
        ((1, 7), True, True, ["identity", "@180", "@0f", "@180f"]),
        ((7,), True, True, ["identity", "@180", "@0f", "@180f"]),
        ((7,), False, True, ["identity", "@180"]),
        ((7,), True, False, ["identity", "@0f"]),
        ((7, 1), False, True, ["identity", "@180"]),
        ((2, 3, 3), False, True, EIGHT[:4]),
        ((3, 3, 2), False, True, ["identity", "@180"]),
    ],
)
def test_only_turns_that_keep_the_shape(
    shape: tuple[int, ...], flip: bool, rotate: bool, names: list[str]
) -> None:
    turns = turns_of(shape, flip=flip, rotate=rotate)
    assert [str(turn) for turn in turns] == names
    assert {turn.apply(np.zeros(shape)).shape for turn in turns} == {shape}


@pytest.mark.parametrize("turn", turns_of((7,), flip=True, rotate=True), ids=str)
@pytest.mark.parametrize("channels", [(), (4,), (5, 4)])
def test_a_kernel_of_one_axis_turns_as_one_of_height_1(turn: Turn, channels: tuple[int, ...]) -> None:
    kernels = np.random.default_rng(0).normal(size=(*channels, 7))
    flat = Turn(turn.flipped, turn.quarters).apply(kernels.reshape(*channels, 1, 7))
    np.testing.assert_array_equal(turn.apply(kernels), flat.reshape(kernels.shape))
    np.testing.assert_array_equal(turn.inverse.apply(turn.apply(kernels)), kernels)


def test_depth_stays_where_it_is() -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 3, 3))
    np.testing.assert_array_equal(Turn(True, 3).apply(kernel)[0], Turn(True, 3).apply(kernel[0]))
