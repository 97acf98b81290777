"""Objects of plugins: their errors are attributed to them, and what they made is recorded."""

from __future__ import annotations

import numpy as np
import pytest
from contracts import VALUES, Make, Normalizer

from filterkit.errors import ModelError, PluginError
from filterkit.plugins.checked import provenance, read_only
from filterkit.records import Normalized


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit(2), ImportError("no such thing")])
def test_what_a_plugin_raises_names_it(make: Make, error: BaseException) -> None:
    def fail(values: np.ndarray) -> Normalized:
        raise error

    with pytest.raises(
        PluginError, match=r"plugin filterkit-mine 1.5: normalizer 'mine': normalize"
    ) as caught:
        make("normalizer", Normalizer(fail)).normalize(VALUES)
    assert caught.value.__cause__ is error
    assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize("error", [ModelError("too big"), KeyboardInterrupt()])
def test_what_is_meant_for_the_user_passes(make: Make, error: BaseException) -> None:
    def fail(values: np.ndarray) -> Normalized:
        raise error

    with pytest.raises(type(error)) as caught:
        make("normalizer", Normalizer(fail)).normalize(VALUES)
    assert caught.value is error


def test_what_was_used_is_recorded_with_its_plugin(make: Make) -> None:
    mine = make("normalizer", Normalizer(lambda values: Normalized(values, None, None, None)))
    assert provenance([mine, "of nobody", mine]) == {
        "filterkit-mine": {"version": "1.5", "made_by": [str(mine), str(mine)]}
    }
    assert provenance([]) == {}


def test_a_read_only_view_shares_its_values() -> None:
    values = np.ones(3)
    view = read_only(values)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2
    values[0] = 3
    assert view[0] == 3
