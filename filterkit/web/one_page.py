"""What several parts of one page need is computed once: its panels, and the pictures that it shows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MOST_KEPT, LARGEST_KEPT = 16, 4 << 20
"""Limits on what is kept until the browser asks for its pictures: how many, and the bytes of each."""

_known: ContextVar[dict[Hashable, Any] | None] = ContextVar("filterkit_one_page", default=None)


@contextmanager
def one_page() -> Iterator[None]:
    """Within this context, `once` remembers: a reload of the page computes everything again."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def once(key: Hashable, compute: Callable[[], T]) -> T:
    """What `compute` returned for this key on this page; outside a page it is called each time."""
    known = _known.get()
    if known is None:
        return compute()
    if key not in known:
        known[key] = compute()
    found: T = known[key]
    return found


class Recent(Generic[T]):
    """What a page has just computed, for its request of the picture of it; each is taken once."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], T] = OrderedDict()
        self._lock = Lock()  # pages and pictures are made in two threads

    def keep(self, catalog: str, url: str, value: T, size: int) -> None:
        """Remember what the picture at this URL shows, unless its `size` in bytes is too large."""
        if size <= LARGEST_KEPT:
            with self._lock:
                self._values[catalog, url] = value
                self._values.move_to_end((catalog, url))
                while len(self._values) > MOST_KEPT:
                    self._values.popitem(last=False)

    def take(self, catalog: str, url: str) -> T | None:
        """What was kept; None if it was taken or dropped, and has to be computed again."""
        with self._lock:
            return self._values.pop((catalog, url), None)
