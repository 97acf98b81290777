"""What several panels of one page need is computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
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
