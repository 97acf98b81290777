"""Counts of values in buckets of logarithmic width, for quantiles: added in any order, they are the same."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 6
"""Bits of the mantissa that a bucket keeps: it is at most 1.6 % wide."""

_DROPPED = 23 - DIGITS
_SPAN = 1 << (32 - _DROPPED)
"""Number of buckets per filter."""

MOST_PENDING = 1 << 20
"""Values that are collected before they are counted."""


class Buckets:
    """How many of the values of each filter are in which bucket.

    A bucket has all float32 numbers with the same sign, exponent and first bits of the mantissa, so that its
    number is found without a logarithm. Only buckets with values are stored.
    """

    def __init__(
        self, keys: NDArray[np.int64] | None = None, counts: NDArray[np.int64] | None = None
    ) -> None:
        self._keys: NDArray[np.integer] = np.empty(0, np.int32) if keys is None else _narrow(keys)
        self._counts: NDArray[np.integer] = np.empty(0, np.int32) if counts is None else _narrow(counts)
        self._pending: list[NDArray[np.uint16]] = []
        self._size = 0

    @staticmethod
    def limit(filters: int) -> int:
        """All keys of so many filters are below it."""
        return filters * _SPAN

    def add(self, values: NDArray[np.float32]) -> None:
        """Count finite values, shape (n, filters)."""
        self._pending.append(_bucket(values).astype(np.uint16))
        self._size += values.size
        if self._size > MOST_PENDING:
            self._count()

    def merge(self, other: Buckets) -> None:
        """Add the counts of other values."""
        other._count()
        self._count()
        self._combine([self._keys, other._keys], [self._counts, other._counts])

    def quantiles(self, shares: tuple[float, ...], filters: int) -> NDArray[np.float64]:
        """The values that this share of the values of each filter do not exceed, to the width of a bucket.

        Returns
        -------
        ndarray
            Shape (shares, filters); NaN for a filter without values.
        """
        self._count()
        found = np.full((len(shares), filters), np.nan)
        owner = self._keys // _SPAN
        starts = np.searchsorted(owner, np.arange(filters + 1))
        for number, (start, end) in enumerate(pairwise(starts)):
            if start < end:
                running = np.cumsum(self._counts[start:end])
                wanted = np.ceil(np.asarray(shares) * running[-1]).clip(1)
                found[:, number] = _middle(self._keys[start:end][np.searchsorted(running, wanted)] % _SPAN)
        return found

    def share_below(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share of the values of each filter that are in lower buckets than this value of it.

        Parameters
        ----------
        values
            One of each filter, shape (filters,).

        Returns
        -------
        ndarray
            Shape (filters,); NaN for a filter without values.
        """
        self._count()
        first = np.arange(len(values), dtype=np.int64) * _SPAN
        before = np.concatenate([[0], np.cumsum(self._counts, dtype=np.int64)])
        start, end, reached = (
            before[np.searchsorted(self._keys, keys)]
            for keys in (first, first + _SPAN, first + _bucket(values))
        )
        with np.errstate(invalid="ignore"):
            share: NDArray[np.float64] = (reached - start) / (end - start)
        return share

    def histogram(
        self, number: int, digits: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """The values of a filter in wider buckets, of which the mantissa keeps only so many bits.

        Returns
        -------
        tuple of ndarray
            Where each bucket begins and ends, ascending, and how many values are in it; those without values
            are left out.
        """
        self._count()
        start, end = np.searchsorted(self._keys, (number * _SPAN, (number + 1) * _SPAN))
        keys = self._keys[start:end].astype(np.int64) - number * _SPAN
        half, dropped = _SPAN // 2, DIGITS - digits
        negative = keys < half
        size = np.where(negative, half - 1 - keys, keys - half) >> dropped
        wide, place = np.unique(np.where(negative, -1 - size, size), return_inverse=True)
        counts = np.zeros(len(wide), np.int64)
        np.add.at(counts, place, self._counts[start:end])
        bits = np.where(wide < 0, -1 - wide, wide)
        near, far = (
            ((bits + more) << (_DROPPED + dropped)).astype(np.uint32).view(np.float32).astype(np.float64)
            for more in (0, 1)
        )
        return np.where(wide < 0, -far, near), np.where(wide < 0, -near, far), counts

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Keys and counts."""
        self._count()
        return {"keys": self._keys.astype(np.int64), "counts": self._counts.astype(np.int64)}

    def _count(self) -> None:
        if self._pending:
            pending, self._pending, self._size = np.concatenate(self._pending), [], 0
            first = _narrow(np.arange(pending.shape[1]) * _SPAN, most=Buckets.limit(pending.shape[1]))
            keys, counts = np.unique(first + pending, return_counts=True)
            self._combine([self._keys, keys], [self._counts, counts])

    def _combine(self, keys: list[NDArray[np.integer]], counts: list[NDArray[np.integer]]) -> None:
        own, place = np.unique(np.concatenate(keys), return_inverse=True)
        total = np.zeros(len(own), np.int64)
        np.add.at(total, place, np.concatenate(counts))
        self._keys, self._counts = _narrow(own), _narrow(total)


def _narrow(values: NDArray[np.int64], most: int | None = None) -> NDArray[np.integer]:
    """As int32 if all values, or `most`, fit: there is one for each filter and bucket."""
    most = int(values.max(initial=0)) if most is None else most
    return values.astype(np.int32 if most < 1 << 31 else np.int64)


def _bucket(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bucket of each value; larger values are in the same or in a later one."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64) >> _DROPPED
    half = _SPAN // 2
    return np.where(bits >= 0, half + bits, -1 - bits)


def _middle(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The middle of each bucket; 0 for those next to 0."""
    half = _SPAN // 2
    bits = np.where(buckets >= half, buckets - half, -1 - buckets)
    ends = [
        ((bits + more) << _DROPPED).astype(np.uint64).astype(np.uint32).view(np.float32) for more in (0, 1)
    ]
    with np.errstate(invalid="ignore"):
        middle = (ends[0].astype(np.float64) + ends[1]) / 2
    return np.where(np.abs(ends[0]) == 0, 0.0, middle)
