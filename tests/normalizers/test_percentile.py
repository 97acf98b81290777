"""Percentiles as limits, compared with NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalizer_banks import PERS, assert_line_between, float32_banks

from filterkit.normalizers.percentile import Percentile


@given(
    float32_banks(),
    st.sampled_from(PERS),
    st.sampled_from([(1.0, 99.0), (0.0, 100.0), (25.0, 75.0), (10.0, 60.0), (0.1, 99.9)]),
)
def test_percentiles_are_those_of_numpy_in_float64(values: Any, per: str, ends: tuple[float, float]) -> None:
    with np.errstate(all="ignore"):
        made = Percentile(*ends, per=per).normalize(values)
    assert_line_between(values, per, made, lambda group: np.percentile(group, ends))


def test_options_change_the_ends(bank: Any) -> None:
    low, high = np.percentile(bank, [10, 60])
    made = Percentile(low=10, high=60).normalize(bank)
    assert (made.vmin, made.vmax) == pytest.approx((low, high), rel=1e-5)
