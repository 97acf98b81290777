"""Filters of a layer that are copies of each other up to scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from filterkit.comparison.similarity import LARGEST, SMALLEST, cosines, rounding_error, units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

ROWS = 1024
"""Number of filters per block; blocks are compared pairwise."""

VALUES = 1 << 23
"""Maximum number of values per block: 32 MB in float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A group of filters that are copies of the first one.

    Attributes
    ----------
    members
        Their positions, ascending; the others are copies of the first.
    cosines
        Cosine of each with the first, shape (members,); negative for negated copies.
    """

    members: NDArray[np.intp]
    cosines: NDArray[np.float64]


def groups_of_copies(bank: FloatArray, threshold: float, *, sign: bool = False) -> tuple[list[Group], int]:
    """Group the filters of a bank whose cosine reaches a threshold.

    In the order of the bank, each ungrouped filter takes all later ungrouped filters whose cosine with it
    reaches the threshold. Every member is therefore that similar to the first of its group, which can replace
    it, and no two first or ungrouped filters are that similar to each other. (Chains of similar filters
    would end in filters that have nothing in common.)

    Parameters
    ----------
    bank
        Shape (filters, ...).
    threshold
        Greater than 0 and at most 1.
    sign
        Whether negated copies count: the absolute value of the cosine is used.

    Returns
    -------
    groups
        Groups of at least two filters, ordered by their first filter.
    not_finite
        Number of filters with NaN or infinity; neither these nor all-zero filters are grouped.
    """
    rows = bank.reshape(len(bank), -1)
    step = max(1, min(ROWS, VALUES // rows.shape[1]))
    blocks = [slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
    firsts = np.arange(len(rows))  # first filter of each filter's group, initially itself
    similarities = np.ones(len(rows))
    not_finite = 0
    for number, block in enumerate(blocks):
        here = _block(rows[block])
        not_finite += here.not_finite
        for other in blocks[number:]:
            likely = _likely(here, here if other == block else _block(rows[other]), threshold, sign=sign)
            if other == block:
                likely = np.triu(likely, 1)
            for row in np.flatnonzero(likely.any(axis=1)):
                leader = block.start + row
                if firsts[leader] != leader:
                    continue
                candidates = other.start + np.flatnonzero(likely[row])
                candidates = candidates[firsts[candidates] == candidates]
                found = cosines(rows[leader : leader + 1], rows[candidates])
                like = (np.abs(found) if sign else found) >= threshold
                firsts[candidates[like]] = leader
                similarities[candidates[like]] = found[like]
    return list(_groups(firsts, similarities)), not_finite


class _Block(NamedTuple):
    """Filters in float32 and the factors that scale them to unit length."""

    rows: FloatArray
    factors: FloatArray
    not_finite: int


def _block(rows: FloatArray) -> _Block:
    with np.errstate(all="ignore"):
        single = np.asarray(rows, np.float32)
        squares = np.einsum("ij,ij->i", single, single)
        unusual = np.flatnonzero(~((squares > SMALLEST) & (squares < LARGEST)))
        if unusual.size:  # out of range for float32; rows without direction become NaN, similar to nothing
            single = np.array(single)
            single[unusual] = units(rows[unusual])[0]
            squares[unusual] = 1
    not_finite = int(np.count_nonzero(~np.isfinite(rows[unusual]).all(axis=1)))
    return _Block(single, 1 / np.sqrt(squares), not_finite)


def _likely(here: _Block, there: _Block, threshold: float, *, sign: bool) -> NDArray[np.bool_]:
    """Pairs of `here` and `there` that may reach the threshold, given the rounding errors of float32."""
    with np.errstate(invalid="ignore"):
        similar = here.rows @ there.rows.T
    similar *= here.factors[:, np.newaxis]
    similar *= there.factors
    if sign:
        np.abs(similar, out=similar)
    likely: NDArray[np.bool_] = similar >= threshold - rounding_error(here.rows.shape[1])
    return likely


def _groups(firsts: NDArray[np.intp], similarities: NDArray[np.float64]) -> Iterator[Group]:
    order = np.argsort(firsts, kind="stable")
    starts = np.flatnonzero(np.diff(firsts[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members) > 1:
            yield Group(members, similarities[members])


def bias_shift(filters: FloatArray, bias: FloatArray, cosines: NDArray[np.float64]) -> float:
    """Largest distance between the decision planes of copies and that of the first one.

    A filter w with bias b responds to patches x on one side of the plane ``w·x + b = 0``. Copies up to scale
    have parallel planes, which coincide if the biases scale alike: then one filter can replace all. The
    distance is ``|b / |w| - b₁ / |w₁||``, in units of the layer's input.

    Parameters
    ----------
    filters
        Shape (members, ...), in the order of the group.
    bias
        Shape (members,).
    cosines
        Cosine of each with the first; the planes of negated copies are flipped.
    """
    _, norms = units(filters.reshape(len(filters), -1))
    planes = np.asarray(bias, np.float64) / norms * np.sign(cosines)
    return float(np.abs(planes - planes[0]).max())
