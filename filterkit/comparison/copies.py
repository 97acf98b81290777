"""Filters of a layer that are copies of each other, up to their scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from filterkit.comparison.exact import LARGEST, SMALLEST, cosines, rounding_error, units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

ROWS = 1024
"""Filters that are held against as many others at a time."""

VALUES = 1 << 23
"""Numbers of a block of filters at most, 32 MB in float32, however long they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Filters that are copies of the first of them.

    Attributes
    ----------
    members
        Their positions, ascending; the first is the one that the others are like.
    cosines
        Cosine of each with the first, shape (members,); negative for negatives.
    """

    members: NDArray[np.intp]
    cosines: NDArray[np.float64]


def groups_of_copies(bank: FloatArray, threshold: float, *, sign: bool = False) -> tuple[list[Group], int]:
    """Group the filters of a bank whose cosine reaches a threshold.

    In the order of the bank, each filter that is in no group yet takes all later ones that are in none and
    reach the threshold with it. So every member is that similar to the group's first, which can stand for it,
    and no two filters that lead a group, or are in none, are that similar to each other. (Chains of similar
    filters, the other way of grouping, end in filters that have nothing in common.)

    Parameters
    ----------
    bank
        Shape (filters, ...).
    threshold
        Above 0, at most 1.
    sign
        Whether a negative is a copy: the cosine's size counts.

    Returns
    -------
    groups
        Those of at least two filters, in the order of their first.
    not_finite
        How many filters hold NaN or infinity; neither these nor filters of zeros are in a group.
    """
    rows = bank.reshape(len(bank), -1)
    step = max(1, min(ROWS, VALUES // rows.shape[1]))
    blocks = [slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
    firsts = np.arange(len(rows))  # of each filter's group: itself, unless another has taken it
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
    """Some filters in float32, of any length, and what each is to be multiplied by to be of length 1."""

    rows: FloatArray
    factors: FloatArray
    not_finite: int


def _block(rows: FloatArray) -> _Block:
    with np.errstate(all="ignore"):
        single = np.asarray(rows, np.float32)
        squares = np.einsum("ij,ij->i", single, single)
        unusual = np.flatnonzero(~((squares > SMALLEST) & (squares < LARGEST)))
        if unusual.size:  # float32 does not do; what has no direction becomes NaN, which is like nothing
            single = np.array(single)
            single[unusual] = units(rows[unusual])[0]
            squares[unusual] = 1
    not_finite = int(np.count_nonzero(~np.isfinite(rows[unusual]).all(axis=1)))
    return _Block(single, 1 / np.sqrt(squares), not_finite)


def _likely(here: _Block, there: _Block, threshold: float, *, sign: bool) -> NDArray[np.bool_]:
    """Which of `here` may reach the threshold with which of `there`, whatever float32 is off by."""
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
    """How far apart copies begin to fire: the largest distance of their planes from the first one's.

    A filter w with bias b answers to patches x on one side of the plane ``w·x + b = 0``. Copies up to scale
    have parallel planes, which are one where the biases have the same scale: then one filter can stand for
    all. The distance is ``|b / |w| - b₁ / |w₁||``, in the units of the layer's input.

    Parameters
    ----------
    filters
        Shape (members, ...), the first one first.
    bias
        Shape (members,).
    cosines
        Of each with the first; the plane of a negative is turned around.
    """
    _, norms = units(filters.reshape(len(filters), -1))
    planes = np.asarray(bias, np.float64) / norms * np.sign(cosines)
    return float(np.abs(planes - planes[0]).max())
