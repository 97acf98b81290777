"""What tables have in common with lists, without being one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Self, SupportsIndex, TypeVar

T = TypeVar("T")


class ListLike(Generic[T]):
    """The methods of a list, except ``[]`` and ``+``.

    Neither a list nor a `collections.abc.Sequence`: libraries for data frames take those apart and guess
    types from the first items (Polars), or refuse them (DuckDB), before they look for `__arrow_c_stream__`.
    """

    __hash__ = None  # type: ignore[assignment]  # as for all that can be modified

    def __init__(self, items: Iterable[T]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListLike):
            return self._items == other._items
        return self._items == other if isinstance(other, list) else NotImplemented

    def __setitem__(self, place: Any, value: Any) -> None:
        self._items[place] = value

    def __delitem__(self, place: SupportsIndex | slice) -> None:
        del self._items[place]

    def __iadd__(self, items: Iterable[T]) -> Self:
        self._items += items
        return self

    def append(self, item: T) -> None:
        """Add an item at the end."""
        self._items.append(item)

    def extend(self, items: Iterable[T]) -> None:
        """Add items at the end."""
        self._items.extend(items)

    def insert(self, place: SupportsIndex, item: T) -> None:
        """Insert an item before `place`."""
        self._items.insert(place, item)

    def pop(self, place: SupportsIndex = -1) -> T:
        """Remove the item at `place`, and return it."""
        return self._items.pop(place)

    def remove(self, item: T) -> None:
        """Remove the first item that equals `item`."""
        self._items.remove(item)

    def clear(self) -> None:
        """Remove all items."""
        self._items.clear()

    def index(self, item: T, *limits: SupportsIndex) -> int:
        """The place of the first item that equals `item`."""
        return self._items.index(item, *limits)

    def count(self, item: T) -> int:
        """The number of items that equal `item`."""
        return self._items.count(item)

    def reverse(self) -> None:
        """Reverse the order in place."""
        self._items.reverse()

    def sort(self, *, key: Callable[[T], Any], reverse: bool = False) -> None:
        """Sort in place by `key`."""
        self._items.sort(key=key, reverse=reverse)
