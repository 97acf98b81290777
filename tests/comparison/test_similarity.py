"""Norms and exact similarities of rows, compared with long double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.comparison import similarity
from filterkit.comparison.similarity import LengthsCache, cosines, lengths, rounding_error, units


@given(st.lists(st.floats(-1e307, 1e307), min_size=1, max_size=9).filter(any))
def test_units_have_length_1_whatever_they_come_from(row: list[float]) -> None:
    unit, norms = units(np.array([row]))
    assert np.linalg.norm(unit) == pytest.approx(1)
    assert norms[0] == pytest.approx(np.sqrt(np.sum(np.square(np.array(row, np.longdouble)))))


def rows_of_every_kind(count: int = 40) -> np.ndarray:
    """Rows of 9 values: plain, of zeros, out of the range of float32's squares, NaN and infinite."""
    rows = np.random.default_rng(0).normal(size=(count, 9)).astype(np.float32)
    rows[3] = rows[17] = 0
    rows[5], rows[6] = rows[5] * np.float32(1e-20), rows[6] * np.float32(1e18)
    rows[8, 2], rows[9, 0] = np.nan, np.inf
    return rows


@pytest.mark.parametrize("block", [9, 30, 1 << 20])
def test_lengths_row_by_row(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "BLOCK", block)
    rows = rows_of_every_kind()
    found = lengths(rows.reshape(-1, 3, 3))
    assert (found.zeros.tolist(), found.apart.tolist(), found.not_finite) == ([3, 17], [5, 6], 2)
    unusual = [3, 5, 6, 8, 9, 17]
    assert np.flatnonzero(np.isnan(found.squares)).tolist() == unusual
    plain = np.delete(rows.astype(np.float64), unusual, axis=0)
    np.testing.assert_allclose(np.delete(found.squares, unusual), (plain**2).sum(axis=1), rtol=1e-6)


def test_cosines_pair_by_pair() -> None:
    left, right = rows_of_every_kind(), np.roll(rows_of_every_kind(), 1, axis=0)
    found = cosines(left, right)
    for value, one, other in zip(found, left.astype(np.float64), right.astype(np.float64), strict=True):
        norms = np.linalg.norm(one) * np.linalg.norm(other)
        if np.isfinite(norms) and norms:
            assert value == pytest.approx(one @ other / norms, abs=1e-12)
        else:
            assert np.isnan(value)
    assert cosines(left[:1], -left[:1] * 3).tolist() == [-1.0]


def test_the_error_in_float32_has_a_bound() -> None:
    for values in (1, 9, 300, 5000):
        left, right = np.random.default_rng(values).normal(size=(2, 200, values))
        single = left.astype(np.float32), right.astype(np.float32)
        dots, squares = (single[0] * single[1]).sum(axis=1), [(each * each).sum(axis=1) for each in single]
        error = np.abs(dots / np.sqrt(squares[0] * squares[1]) - cosines(*single))
        assert error.max() <= rounding_error(values)


def test_lengths_are_cached_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "CACHE_BYTES", 100)
    cache, rows = LengthsCache(), np.ones((20, 9), np.float32)
    first = cache.lengths("a", rows)
    assert cache.lengths("a", rows) is first
    assert cache.lengths("b", rows) is not cache.lengths("b", rows), "80 bytes more than there is room for"
    assert cache.lengths(None, rows[:1]) is not cache.lengths(None, rows[:1])
