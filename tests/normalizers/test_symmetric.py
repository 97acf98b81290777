"""Limits that are symmetric around zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from normalizer_banks import every_kind

from filterkit.normalizers.symmetric import Symmetric


@every_kind
def test_symmetric_alone_fixes_the_centre_of_every_filter(bank: Any, kind: Any) -> None:
    assert kind(per="filter").normalize(bank).centre == (0.5 if kind is Symmetric else None)


def test_limits_are_the_largest_magnitude(bank: Any) -> None:
    made = Symmetric().normalize(bank)
    reach = float(np.abs(bank).max())
    assert (made.vmin, made.vmax) == (-reach, reach)
    np.testing.assert_allclose(made.values, bank / (2 * reach) + 0.5, atol=1e-6)
    np.testing.assert_allclose(Symmetric().normalize(-bank).values, 1 - made.values, atol=1e-6)


def test_a_percentile_clips_the_ends(bank: Any) -> None:
    about_zero = Symmetric(percentile=90).normalize(bank)
    reach = np.percentile(abs(bank), 90)
    assert (about_zero.vmin, about_zero.vmax) == pytest.approx((-reach, reach), rel=1e-5)
    assert about_zero.centre == 0.5
    clipped = np.isin(about_zero.values, (0, 1)).sum()
    assert clipped == pytest.approx(bank.size / 10, abs=1)
