"""Convolution arithmetic, against counting by hand."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from filterkit.geometry import Reach, same_pad, transposed_phases

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
