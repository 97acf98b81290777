"""The pictures with the highest responses of each filter, kept while pictures go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = -1
"""The number of the picture where there are fewer than k."""


@dataclass(slots=True, eq=False)
class TopK:
    """The k highest values of each filter: one per picture, and one per group of pictures.

    Of equal values that of the earlier picture comes first, so that the result does not depend on the order
    in which values are added.

    Attributes
    ----------
    values
        Shape (k, filters), float32, highest first; -inf where there are fewer.
    pictures
        The number of each picture, or `NONE`.
    places
        The position of each value in its feature map.
    groups
        Pictures of the same group, copies of each other, count as one: that with the highest value.
    """

    values: NDArray[np.float32]
    pictures: NDArray[np.int64]
    places: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def empty(cls, k: int, filters: int) -> Self:
        """No pictures yet."""
        values = np.full((k, filters), -np.inf, np.float32)
        pictures, places, groups = (np.full((k, filters), NONE, np.int64) for _ in range(3))
        return cls(values, pictures, places, groups)

    def add(
        self,
        values: NDArray[np.float32],
        pictures: NDArray[np.int64],
        places: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> None:
        """Add finite values, shape (n, filters); the other arrays have this shape or (n, 1)."""
        least, last = self.values[-1], self.pictures[-1]
        enters = (values > least) | ((values == least) & ((pictures < last) | (last == NONE)))
        columns = np.flatnonzero(enters.any(axis=0))
        if not columns.size:
            return
        mine: tuple[NDArray[Any], ...] = (self.values, self.pictures, self.places, self.groups)
        added = (np.broadcast_to(each, values.shape) for each in (values, pictures, places, groups))
        both = [np.concatenate([a[:, columns], b[:, columns]]) for a, b in zip(mine, added, strict=True)]
        for kept, best in zip(mine, _best(*both, k=len(self.values)), strict=True):
            kept[:, columns] = best

    def merge(self, other: TopK) -> None:
        """Add the values of other pictures."""
        self.add(other.values, other.pictures, other.places, other.groups)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes by name."""
        return {name: getattr(self, name) for name in ("values", "pictures", "places", "groups")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Inverse of `to_arrays`."""
        return cls(**arrays)


def _best(
    values: NDArray[np.float32],
    pictures: NDArray[np.int64],
    places: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    k: int,
) -> tuple[NDArray[Any], ...]:
    """The first k rows of each column after sorting, without repeated groups."""
    order = np.lexsort((pictures, -values), axis=0)
    columns: list[NDArray[Any]] = [
        np.take_along_axis(each, order, axis=0) for each in (values, pictures, places, groups)
    ]
    values, pictures, places, groups = columns
    same = groups[:, None] == groups[None, :]
    repeated = (same & np.tri(len(groups), k=-1, dtype=bool)[..., None]).any(axis=1)
    values[repeated], pictures[repeated] = -np.inf, NONE
    chosen = np.argsort(-values, axis=0, kind="stable")[:k]
    return tuple(np.take_along_axis(each, chosen, axis=0) for each in columns)
