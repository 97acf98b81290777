"""What panels share is computed once per page."""

from __future__ import annotations

from itertools import count

import pytest

from filterkit.errors import UsageError
from filterkit.web.one_page import LARGEST_KEPT, MOST_KEPT, Recent, once, one_page


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


def test_what_a_page_computed_is_taken_once_by_its_picture() -> None:
    recent: Recent[str] = Recent()
    recent.keep("a.db", "/one", "first", LARGEST_KEPT)
    recent.keep("a.db", "/large", "large", LARGEST_KEPT + 1)
    assert recent.take("b.db", "/one") is None
    assert [recent.take("a.db", "/one") for _ in range(2)] == ["first", None]
    assert recent.take("a.db", "/large") is None
    for number in range(MOST_KEPT + 1):
        recent.keep("a.db", f"/{number}", str(number), 1)
    assert recent.take("a.db", "/0") is None
    assert recent.take("a.db", "/1") == "1"
