"""Convolution arithmetic, against counting by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.geometry import LARGEST, MOST_AXES, Reach, product, same_pad, transposed_phases

small = st.integers(1, 5)


def test_a_stack_of_windows_is_what_the_literature_says() -> None:
    """conv 7/2 pad 3, pool 3/2 pad 1, conv 3: the head of a ResNet."""
    reach = Reach().window(7, 2, pad=3).window(3, 2, pad=1)
    assert reach == Reach(Fraction(11), Fraction(4), Fraction(5))
    assert reach.window(3, pad=1) == Reach(Fraction(19), Fraction(4), Fraction(9))


def test_dilation_spreads_the_taps() -> None:
    assert Reach().window(3, dilation=4) == Reach(Fraction(9), Fraction(1), Fraction(0))


def test_a_union_holds_both_branches() -> None:
    narrow, wide = Reach().window(1, 2), Reach().window(3, 2, pad=1)
    assert narrow.union(wide) == wide
    ahead = Reach().window(3, 2)
    assert wide.union(ahead) == Reach(Fraction(4), Fraction(2), Fraction(1))


def test_branches_of_different_jump_drift_apart() -> None:
    assert Reach().window(1, 2).union(Reach()) is None


@given(kernel=small, stride=small, dilation=small, pad=st.integers(0, 6))
def test_phases_of_a_transposed_convolution(kernel: int, stride: int, dilation: int, pad: int) -> None:
    """Scattering input ``i`` to ``i * stride - pad + tap * dilation`` reaches the same outputs."""
    readers: dict[int, set[int]] = {}
    for read in range(-40, 40):
        for tap in range(kernel):
            readers.setdefault(read * stride - pad + tap * dilation, set()).add(read)
    phases = transposed_phases(kernel, stride, dilation, pad)
    assert {index: (first, last) for index, first, last in phases} == {
        index: (min(readers[index]), max(readers[index])) for index in range(stride) if index in readers
    }


@given(size=st.integers(1, 40), kernel=small, stride=small, dilation=small)
def test_same_padding_gives_as_many_outputs_as_strides(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    low = same_pad(size, kernel, stride, dilation, upper=True)
    high = same_pad(size, kernel, stride, dilation, upper=False)
    assert high - low in (0, 1)
    span = dilation * (kernel - 1) + 1
    if low + high > 0:
        assert (size + low + high - span) // stride + 1 == -(-size // stride)


def test_same_padding_of_an_unknown_size_takes_a_multiple_of_the_stride() -> None:
    assert same_pad(None, 3, 2, 1, upper=True) == same_pad(64, 3, 2, 1, upper=True) == 0
    assert same_pad(None, 3, 1, 1, upper=True) == 1


@given(
    sizes=st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 9), max_size=8), most=st.integers(0, LARGEST)
)
def test_a_product_is_exact_as_far_as_it_matters(sizes: list[int], most: int) -> None:
    assert product(sizes, most) == min(math.prod(sizes), most + 1)


def test_a_product_of_sizes_that_no_array_has() -> None:
    assert product([2**62] * MOST_AXES) == LARGEST + 1
    assert product([2**62] * (MOST_AXES - 1) + [0]) == 0
    assert product([]) == product(np.ones(MOST_AXES, np.int64)) == 1
    with pytest.raises(ValueError, match="300,000 axes"):
        product(np.full(300_000, 2**62))
    with pytest.raises(ValueError, match="axes"):
        product([1] * (MOST_AXES + 1))
    for sizes in ([-1], [0, -1], [-2, -2]):
        with pytest.raises(ValueError, match="negative"):
            product(sizes)


def test_a_reach_of_numbers_without_bounds_is_not_told() -> None:
    assert Reach(Fraction(LARGEST), Fraction(1, LARGEST), Fraction(-LARGEST)).is_told
    assert not Reach(Fraction(LARGEST + 1)).is_told
    assert not Reach(jump=Fraction(1, LARGEST + 1)).is_told
    assert Reach(Fraction(LARGEST), offset=Fraction(9)).union(Reach(Fraction(LARGEST))) is None
