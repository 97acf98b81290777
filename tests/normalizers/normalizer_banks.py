"""Banks and parameters for the tests of normalizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterkit.normalizers.minmax import MinMax
from filterkit.normalizers.percentile import Percentile
from filterkit.normalizers.symmetric import Symmetric
from filterkit.normalizers.zscore import ZScore
from filterkit.records import Normalized

PERS = ["layer", "filter", "kernel"]


singles = st.floats(width=32, allow_nan=False, allow_infinity=False)

near_the_ends = st.sampled_from([-3.4e38, 3.4e38, 3.3e38, -1e38, 1e-45, -1e-45, 1e-38, 0.0])


@st.composite
def float32_banks(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Of any values, near the ends of float32's range, or nearly constant: a few steps of the last bit."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=6))
    elements = draw(st.sampled_from([singles, near_the_ends]))
    bank = draw(hnp.arrays(np.float32, shape, elements=elements))
    if draw(st.booleans()):
        middle = np.float32(draw(singles))
        steps = draw(hnp.arrays(np.int8, shape, elements=st.integers(0, 3)))
        bank = np.full(shape, middle)
        for step in range(3):
            bank = np.where(steps > step, np.nextafter(bank, np.float32(0)), bank)
    return bank.astype(np.float32)


def assert_line_between(values: Any, per: str, made: Normalized, ends: Callable[[Any], Any]) -> None:
    """Checks every group against `ends` of its values in float64, and the line between them."""
    count = PERS.index(per)
    for index in np.ndindex(values.shape[:count]):
        group = values[index].astype(np.float64)
        low, high = ends(group)
        if per == "layer":
            reach = max(abs(low), abs(high))
            assert made.vmin == pytest.approx(low, rel=1e-13, abs=1e-15 * reach)
            assert made.vmax == pytest.approx(high, rel=1e-13, abs=1e-15 * reach)
        if high - low > 1e-12 * max(abs(low), abs(high)):
            line = np.clip((group - low) / (high - low), 0, 1)
            np.testing.assert_allclose(made.values[index], line, atol=1e-6)
        elif group.min() == group.max():
            np.testing.assert_array_equal(
                made.values[index], 0.5 if low <= group.flat[0] <= high else made.values[index]
            )


anything = hnp.arrays(
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    shape=hnp.array_shapes(min_dims=3, max_dims=5, min_side=1, max_side=4),
    elements={"allow_nan": True, "allow_infinity": True, "allow_subnormal": True},
)

KINDS = [MinMax, Symmetric, Percentile, ZScore]

every_kind = pytest.mark.parametrize("kind", KINDS)
