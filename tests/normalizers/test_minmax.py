"""The smallest and the largest weight as limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalizer_banks import PERS, anything

from filterkit.errors import UsageError
from filterkit.normalizers.minmax import MinMax


def test_a_mistyped_group_names_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        MinMax(per="filters")  # type: ignore[arg-type]
    assert "'filter'" in str(caught.value.hint)


def test_constant_filters_are_counted() -> None:
    bank = np.arange(36, dtype=np.float32).reshape(4, 1, 3, 3)
    bank[1:3] = 1
    assert MinMax(per="filter").normalize(bank).summary == "min-max per filter; 2 of 4 filters constant"
    assert MinMax().normalize(bank).summary == "min-max over the layer"


def test_nan_is_the_middle_where_zero_lies_outside() -> None:
    made = MinMax().normalize(np.array([[[5, 6, np.nan, 7]]], np.float32))
    assert made.values.tolist() == [[[0, 0.5, 0.5, 1]]]
    assert made.centre is None


@given(anything, st.sampled_from(PERS))
def test_minmax_reaches_both_ends_exactly(values: Any, per: str) -> None:
    made = MinMax(per=per).normalize(values)
    finite = np.isfinite(values)
    axes = tuple(range(PERS.index(per), values.ndim))
    for index in np.ndindex(values.shape[: values.ndim - len(axes)]):
        group, drawn = values[index][finite[index]], made.values[index][finite[index]]
        if group.size and group.min() < group.max():
            assert (drawn[group == group.min()] == 0).all()
            assert (drawn[group == group.max()] == 1).all()
