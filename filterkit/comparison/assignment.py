"""Pair the layers of two networks, and match the filters of two banks whose order differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.short_reprs import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

    Order = NDArray[np.intp]

STAYING = 1e-6
"""Bonus for filters at the same position, so that ties do not count as moved."""

EQUAL = 1e-5
"""Bonus for filters of equal norm, decreasing with their ratio, so that among copies up to scale the one at
the same scale is matched."""

SETTLED = 0.9999
"""Mean similarity above which no further order of the input channels is tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A permutation of the other bank.

    Attributes
    ----------
    filters, channels
        Indices of the filters and input channels in the other bank that match those of this bank.
    """

    filters: Order
    channels: Order

    __repr__ = short_repr

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Which filters have a different index in the other bank."""
        moved: NDArray[np.bool_] = self.filters != np.arange(len(self.filters))
        return moved

    def apply(self, other: FloatArray) -> FloatArray:
        """Reorder the other bank to match this one."""
        ordered: FloatArray = other[self.filters][:, self.channels]
        return ordered


def assign(a: FloatArray, b: FloatArray, channel_orders: Iterable[Order] = ()) -> Assignment:
    """The order of the filters of `b` that maximizes the sum of cosines with the filters of `a`.

    Solved as a linear assignment (D. Crouse, "On implementing 2D rectangular assignment algorithms", IEEE
    Transactions on Aerospace and Electronic Systems 52, 2016, as implemented in SciPy). If the filters of a
    network were permuted, so were the input channels of the layers that read them; the candidate order that
    gives the highest similarity is used.

    Parameters
    ----------
    a, b
        Shape (filters, channels, *kernel_shape), both the same.
    channel_orders
        Orders of the input channels to try in addition to the identity, each of shape (channels,).
    """
    own = np.arange(a.shape[1])
    best: Assignment | None = None
    highest = -np.inf
    left, lengths = _units(a)
    for channels in _distinct([*channel_orders, own]):
        right, others = _units(b if channels is own else b[:, channels])
        filters, score = _solve(left @ right.T + _bonus(lengths, others))
        if score > highest:
            best, highest = Assignment(filters, channels), score
        if highest > SETTLED:
            break
    assert best is not None
    return best


def match_filters(
    similarity: NDArray[np.float64], lengths: NDArray[np.float64], others: NDArray[np.float64]
) -> Order:
    """The partner of each filter such that the sum of similarities is maximal; -1 for filters without one.

    Parameters
    ----------
    similarity
        Shape (filters, other filters); NaN counts as 0, or as 1 between filters that both have norm 0.
    lengths, others
        Norms of both, shape (filters,) and (other filters,): of equally similar partners, one of the same
        norm is preferred.
    """
    from scipy.optimize import linear_sum_assignment

    both_zero = np.logical_and.outer(lengths == 0, others == 0)
    known = np.where(np.isnan(similarity), both_zero, similarity)
    rows, columns = linear_sum_assignment(known + _bonus(lengths, others), maximize=True)
    partners = np.full(len(lengths), -1, np.intp)
    partners[rows] = columns
    return partners


def _bonus(lengths: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """What decides between equally similar filters."""
    return EQUAL * _alike(lengths, others) + STAYING * np.eye(len(lengths), len(others))


def _solve(similarity: NDArray[np.float64]) -> tuple[Order, float]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return columns, float(similarity[rows, columns].mean())


def _units(bank: FloatArray) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Filters of unit length, shape (filters, values + 1), and their norms, shape (filters,).

    The last value is 1 for all-zero filters, so that they match each other. Non-finite filters become zeros,
    similar to nothing.
    """
    flat = bank.reshape(len(bank), -1).astype(np.float32)
    flat[~np.isfinite(flat).all(axis=1)] = 0
    largest = np.abs(flat).max(axis=1, keepdims=True)
    flat /= np.where(largest > 0, largest, 1)  # avoid overflow of squares
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.maximum(norms, 1e-30)
    units = np.concatenate([flat, (largest == 0).astype(np.float32)], axis=1)
    return units, (largest.astype(np.float64) * norms)[:, 0]


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratio of the smaller to the larger norm for each pair; 0 if both are zero."""
    longer = np.maximum.outer(one, other)
    return np.minimum.outer(one, other) / np.where(longer > 0, longer, 1)


def _distinct(orders: Iterable[Order]) -> list[Order]:
    """The orders without duplicates; the last of equal ones, which may be the identity, is kept."""
    known: dict[bytes, Order] = {}
    for order in orders:
        known[order.astype(np.int64).tobytes()] = order
    return list(known.values())


Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Name of a layer and the shape of its bank."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Pair:
    """Indices of two layers (None without a partner), and the reason if they cannot be compared."""

    a: int | None
    b: int | None
    reason: str | None = None


def pair_by_name(a: Sequence[Layer], b: Sequence[Layer]) -> list[Pair]:
    """Pair layers of the same name, in the order of `a`; layers only in `b` come last."""
    reason = "the other model has no layer of this name"
    places = {layer.name: place for place, layer in enumerate(b)}
    pairs = [_pair(a, b, n, places.get(layer.name), reason) for n, layer in enumerate(a)]
    partners = {pair.b for pair in pairs}
    return pairs + [Pair(None, n, reason) for n in range(len(b)) if n not in partners]


def pair_by_position(a: Sequence[Layer], b: Sequence[Layer]) -> list[Pair]:
    """Pair the first layers, the second layers, and so on."""
    few, many = sorted((len(a), len(b)))
    reason = f"the other model has only {few} layer{'s' * (few != 1)}"
    return [_pair(a, b, n if n < len(a) else None, n if n < len(b) else None, reason) for n in range(many)]


def _pair(a: Sequence[Layer], b: Sequence[Layer], one: int | None, other: int | None, alone: str) -> Pair:
    if one is None or other is None:
        return Pair(one, other, alone)
    left, right = a[one].shape, b[other].shape
    fit = left == right
    return Pair(
        one, other, None if fit else f"filters of shape {_text(left)} and {_text(right)} cannot be compared"
    )


def _text(shape: Shape) -> str:
    return "×".join(map(str, shape))
