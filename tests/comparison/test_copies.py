"""Groups of copies, held against the rule written down in a few lines, in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterkit.comparison import copies
from filterkit.comparison.copies import bias_shift, groups_of_copies

Array = np.ndarray[Any, Any]


def by_hand(bank: Array, threshold: float, *, sign: bool) -> list[list[int]]:
    rows = bank.reshape(len(bank), -1).astype(float)
    free = [number for number, row in enumerate(rows) if np.isfinite(row).all() and row.any()]
    groups = []
    while free:
        first, *others = free
        cosines = {
            n: rows[first] @ rows[n] / np.sqrt((rows[first] @ rows[first]) * (rows[n] @ rows[n]))
            for n in others
        }
        like = [n for n in others if round(abs(cosines[n]) if sign else cosines[n], 12) >= threshold]
        if like:
            groups.append([first, *like])
        free = [n for n in others if n not in like]
    return groups


def members(bank: Array, threshold: float, *, sign: bool = False) -> list[list[int]]:
    groups, _ = groups_of_copies(bank, threshold, sign=sign)
    return [group.members.tolist() for group in groups]


def test_known_copies() -> None:
    bank = np.random.default_rng(0).normal(size=(40, 5, 3, 3)).astype(np.float32)
    bank[7], bank[30], bank[20], bank[11] = 3 * bank[2], 0.01 * bank[2], -bank[2], 1.7 * bank[9]
    assert members(bank, 0.98) == [[2, 7, 30], [9, 11]]
    assert members(bank, 1.0) == [[2, 7, 30], [9, 11]]
    assert members(bank, 0.98, sign=True) == [[2, 7, 20, 30], [9, 11]]
    [group, _], not_finite = groups_of_copies(bank, 0.98, sign=True)
    assert group.cosines.tolist() == [1, 1, -1, 1]
    assert not_finite == 0


def test_every_member_is_like_the_first_though_a_chain_leads_further() -> None:
    angles = np.radians([0, 10, 20, 30, 40])
    fan = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, :, None, None]
    assert members(fan, np.cos(np.radians(10.5))) == [[0, 1], [2, 3]]
    assert members(fan, np.cos(np.radians(20.5))) == [[0, 1, 2], [3, 4]]


def test_zeros_and_what_is_no_number_are_in_no_group() -> None:
    bank = np.ones((7, 2, 3, 3), np.float32)
    bank[0] = bank[3] = 0
    bank[1, 0, 0, 0], bank[5, 1, 2, 2] = np.nan, np.inf
    groups, not_finite = groups_of_copies(bank, 0.5)
    assert [group.members.tolist() for group in groups] == [[2, 4, 6]]
    assert not_finite == 2


@pytest.mark.parametrize("magnitude", [1e-44, 1e-25, 1e25, 1e37])
def test_scales_do_not_matter(magnitude: float) -> None:
    bank = np.random.default_rng(1).integers(-3, 4, size=(9, 2, 3, 3)).astype(np.float32)
    bank[5], bank[8] = bank[1], np.float32(magnitude) * bank[1]
    assert members(bank, 0.999) == [[1, 5, 8]]


@pytest.mark.parametrize("sign", [False, True])
def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch, sign: bool) -> None:
    bank = np.random.default_rng(2).normal(size=(150, 3)).astype(np.float32)
    whole = members(bank, 0.9, sign=sign)
    assert whole == by_hand(bank, 0.9, sign=sign)
    for rows in (1, 7, 64):
        monkeypatch.setattr(copies, "ROWS", rows)
        assert members(bank, 0.9, sign=sign) == whole


@pytest.mark.slow
def test_tens_of_thousands_of_equal_filters() -> None:
    bank = np.ones((20_000, 1, 3, 3), np.float32)
    assert [len(group) for group in members(bank, 1.0)] == [20_000]


@settings(max_examples=150, deadline=None)
@given(
    bank=st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=25),
    threshold=st.sampled_from([0.1, 0.5, 0.8, 0.98, 1.0]),
    sign=st.booleans(),
)
def test_any_bank(bank: list[list[int]], threshold: float, sign: bool) -> None:
    array = np.array(bank, np.float32)[:, :, None, None]
    assert members(array, threshold, sign=sign) == by_hand(array, threshold, sign=sign)


def test_biases_of_the_same_scale_shift_nothing() -> None:
    first = np.random.default_rng(3).normal(size=(2, 3, 3))
    bank = np.stack([first, 3 * first, -2 * first])
    cosines = np.array([1.0, 1, -1])
    assert bias_shift(bank, np.array([0.5, 1.5, -1]), cosines) == pytest.approx(0)
    length = np.linalg.norm(first)
    assert bias_shift(bank, np.array([0.5, 1.5, 1]), cosines) == pytest.approx(1 / length)
