"""What panels share is computed once per page."""

from __future__ import annotations

from itertools import count

import pytest

from filterkit.errors import UsageError
from filterkit.web.one_page import once, one_page


def test_a_value_is_computed_once_within_a_page_and_again_on_the_next() -> None:
    numbers = count()
    with one_page():
        assert [once("a", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
        assert once("b", lambda: next(numbers)) == 1
    with one_page():
        assert once("a", lambda: next(numbers)) == 2
    assert [once("a", lambda: next(numbers)) for _ in range(2)] == [3, 4]


def test_an_error_is_not_remembered() -> None:
    def fail() -> int:
        raise UsageError("no")

    with one_page():
        with pytest.raises(UsageError):
            once("a", fail)
        assert once("a", lambda: 5) == 5
