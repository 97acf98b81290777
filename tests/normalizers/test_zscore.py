"""Mean and standard deviation as limits, compared with NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalizer_banks import PERS, assert_line_between, float32_banks

from filterkit.normalizers.zscore import ZScore


@given(float32_banks(), st.sampled_from(PERS), st.sampled_from([0.5, 1.0, 3.0, 10.0]))
def test_z_scores_are_those_of_numpy_in_float64(values: Any, per: str, limit: float) -> None:
    with np.errstate(all="ignore"):
        made = ZScore(limit, per=per).normalize(values)

    def ends(group: Any) -> Any:
        unit = np.abs(group).max() or 1.0
        off = group / unit - group.flat[0] / unit  # else numpy's own mean rounds where all are nearly equal
        middle, apart = off.mean() + group.flat[0] / unit, off.std()
        return np.array([middle - limit * apart, middle + limit * apart]) * unit

    assert_line_between(values, per, made, ends)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1.0, -1 / 3, 1e-30, 7e37])
def test_a_z_score_of_a_constant_has_no_spread_however_many_there_are(dtype: Any, value: float) -> None:
    made = ZScore().normalize(np.full((1, 70, 61, 61), value, dtype))
    assert made.vmin == made.vmax == float(dtype(value))
    assert (made.values == 0.5).all()


def test_an_option_changes_the_ends(bank: Any) -> None:
    made = ZScore(limit=1).normalize(bank)
    ends = bank.mean() - bank.std(), bank.mean() + bank.std()
    assert (made.vmin, made.vmax) == pytest.approx(ends, rel=1e-5)
