"""Convolution arithmetic, compared with explicit counting."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.geometry import (
    LARGEST,
    MOST_AXES,
    MOST_PHASES,
    MOST_READS,
    Reach,
    product,
    same_pad,
    transposed_reads,
)

small = st.integers(1, 5)


def regular(field: int, jump: int, offset: int) -> Reach:
    return Reach(((-offset, field - 1 - offset),), jump)


def test_a_stack_of_windows_is_what_the_literature_says() -> None:
    """conv 7/2 pad 3, pool 3/2 pad 1, conv 3: the head of a ResNet."""
    reach = Reach().window(7, 2, pad=3).window(3, 2, pad=1)
    assert reach == regular(11, 4, 5)
    assert (reach.field, reach.jump, reach.offset) == (11, 4, 5)
    assert reach.window(3, pad=1) == regular(19, 4, 9)


def test_dilation_spreads_the_taps() -> None:
    assert Reach().window(3, dilation=4) == regular(9, 1, 0)


def test_a_union_holds_both_branches() -> None:
    narrow, wide = Reach().window(1, 2), Reach().window(3, 2, pad=1)
    assert narrow.union(wide) == wide
    ahead = Reach().window(3, 2)
    assert wide.union(ahead) == regular(4, 2, 1)


def test_branches_of_different_jump_drift_apart() -> None:
    assert Reach().window(1, 2).union(Reach()) is None


def test_a_transposed_convolution_sees_by_phases() -> None:
    """Conv k3 s4, then ConvTranspose k4 s4: every output sees three pixels, four neighbours the same."""
    reach = Reach().window(3, 4).read(transposed_reads(4, 4, 1, 0))
    assert reach == Reach(((0, 2),) * 4, 4)
    assert (reach.field, reach.jump, reach.offset) == (3, 1, 0)
    assert reach.window(1, stride=4) == regular(3, 4, 0)


def test_gaps_of_a_transposed_convolution_see_nothing() -> None:
    reach = Reach().read(transposed_reads(1, 2, 1, 0))
    assert reach == Reach(((0, 0), None))
    assert reach.window(1, stride=2) == Reach()
    nothing = reach.shift(-1).window(1, stride=2)
    assert (nothing.windows, nothing.field, nothing.offset) == ((None,), 0, 0)
    assert reach.union(reach.shift(1)) == Reach(((0, 0), (0, 0)))


def test_an_axis_that_runs_backwards_runs_forwards_in_the_mirror() -> None:
    backwards = Reach().read([range(9, 10)], -1).window(3, 2, pad=1)
    assert (backwards.windows, backwards.jump) == (((8, 10),), -2)
    assert backwards.mirrored(10) == Reach().window(3, 2, pad=1)


def test_phases_are_bounded() -> None:
    """The phases of a period of 4096 are distinguished; those of 4097 are covered by one window."""
    most = Reach().read([range(1)] * MOST_PHASES)
    assert (most.field, len(most.windows)) == (1, MOST_PHASES)
    few, many = Reach().read([range(2)] * 64), Reach().read([range(2)] * 64).read([range(2)] * 65)
    assert len(few.windows) == 64
    assert len(many.windows) == 65
    assert many.jump == Fraction(1, 64 * 65)
    assert 2 < many.field < 5
    wide = most.window(MOST_READS // MOST_PHASES)
    assert len(wide.windows) == MOST_PHASES
    assert len(most.window(MOST_READS // MOST_PHASES + 1).windows) == 1


@given(kernel=small, stride=small, dilation=small, pad=st.integers(0, 6))
def test_phases_of_a_transposed_convolution(kernel: int, stride: int, dilation: int, pad: int) -> None:
    """Scattering input ``i`` to ``i * stride - pad + tap * dilation`` reaches the same outputs."""
    readers: dict[int, set[int]] = {}
    for read in range(-40, 40):
        for tap in range(kernel):
            readers.setdefault(read * stride - pad + tap * dilation, set()).add(read)
    reads = transposed_reads(kernel, stride, dilation, pad)
    assert [set(positions) for positions in reads] == [readers.get(index, set()) for index in range(stride)]


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


def test_a_reach_with_numbers_out_of_bounds() -> None:
    assert Reach(((-LARGEST, LARGEST),), Fraction(1, LARGEST)).is_bounded
    assert not Reach(((0, LARGEST + 1),)).is_bounded
    assert not Reach(advance=Fraction(1, LARGEST + 1)).is_bounded
    assert Reach(((0, LARGEST),)).union(Reach(((0, LARGEST + 1),))) is None
