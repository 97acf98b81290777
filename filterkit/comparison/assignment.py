"""Which filter of one bank goes with which of another, where the filters of a network were shuffled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

    Order = NDArray[np.intp]

STAYING = 1e-6
"""Added to a filter's similarity with the one at its own place, so that of equal filters none seems moved."""

EQUAL = 1e-5
"""Added to the similarity of filters that are equally long, and less the more their lengths differ: of
copies up to scale the one at the same scale is the partner."""

SETTLED = 0.9999
"""A mean similarity from which on no other order of the input channels is tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """An order of the other bank.

    Attributes
    ----------
    filters, channels
        Filter `i`, and input channel `i`, of this bank go with those of these numbers in the other.
    """

    filters: Order
    channels: Order

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Which filters have another number in the other bank."""
        moved: NDArray[np.bool_] = self.filters != np.arange(len(self.filters))
        return moved

    def apply(self, other: FloatArray) -> FloatArray:
        """The other bank in this one's order."""
        ordered: FloatArray = other[self.filters][:, self.channels]
        return ordered


def assign(a: FloatArray, b: FloatArray, channel_orders: Iterable[Order] = ()) -> Assignment:
    """The order of the filters of `b` in which they are most similar to those of `a`, by the sum of cosines.

    Solved as a linear assignment (D. Crouse, "On implementing 2D rectangular assignment algorithms", IEEE
    Transactions on Aerospace and Electronic Systems 52, 2016, as SciPy has it). Where the filters of a
    network were shuffled, so were the input channels of the layers that read them; which of the orders that
    were found there applies here is told by which fits best.

    Parameters
    ----------
    a, b
        Shape (filters, channels, *kernel_shape), both the same.
    channel_orders
        Orders of the input channels to try besides their own, each of shape (channels,).
    """
    own = np.arange(a.shape[1])
    best: Assignment | None = None
    highest = -np.inf
    left, lengths = _units(a)
    for channels in _distinct([*channel_orders, own]):
        right, others = _units(b if channels is own else b[:, channels])
        bonus = EQUAL * _alike(lengths, others) + STAYING * np.eye(len(a))
        filters, score = _solve(left @ right.T + bonus)
        if score > highest:
            best, highest = Assignment(filters, channels), score
        if highest > SETTLED:
            break
    assert best is not None
    return best


def _solve(similarity: NDArray[np.float64]) -> tuple[Order, float]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return columns, float(similarity[rows, columns].mean())


def _units(bank: FloatArray) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Filters of length 1, shape (filters, values + 1), and the lengths they had, shape (filters,).

    The last value is 1 of those that are all zero.

    Filters that are not finite become zeros, similar to nothing.
    """
    flat = bank.reshape(len(bank), -1).astype(np.float32)
    flat[~np.isfinite(flat).all(axis=1)] = 0
    largest = np.abs(flat).max(axis=1, keepdims=True)
    flat /= np.where(largest > 0, largest, 1)  # squares of large numbers would not fit
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.maximum(norms, 1e-30)
    units = np.concatenate([flat, (largest == 0).astype(np.float32)], axis=1)
    return units, (largest.astype(np.float64) * norms)[:, 0]


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shorter of two lengths over the longer, of every pair; 0 where both are zero."""
    longer = np.maximum.outer(one, other)
    return np.minimum.outer(one, other) / np.where(longer > 0, longer, 1)


def _distinct(orders: Iterable[Order]) -> list[Order]:
    """The orders without repetitions; of equal ones the last, which may be the channels' own."""
    known: dict[bytes, Order] = {}
    for order in orders:
        known[order.astype(np.int64).tobytes()] = order
    return list(known.values())
