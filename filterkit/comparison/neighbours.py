"""Exact nearest-neighbour search for kernels or filters in memory-mapped banks.

Similarity is a coefficient between -1 and 1 of the family of F. Zegers and J. ten Berge ("A family of
association coefficients for metric scales", Psychometrika 50, 1985): with `scale`, for which a kernel and
its multiples are the same, Tucker's congruence, i.e. the cosine ``x·y / (|x| |y|)``; without, the
coefficient of identity ``2 x·y / (|x|² + |y|²)``, which is 1 only for equal rows. An all-zero row has no
direction and thus no cosine; its coefficient of identity is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from filterkit.comparison.similarity import LARGEST, SMALLEST, Lengths, rounded, rounding_error, units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Turn:
    """Flip left-right if `flipped`, then rotate counter-clockwise by `quarters` times 90 degrees.

    ``str`` gives its name: ``identity``, ``@90``, ``@180``, ``@270``, and ``@0f`` to ``@270f``, flipped.

    Attributes
    ----------
    row
        Whether kernels have one axis, the width, which a rotation by 180 degrees reverses.
    """

    flipped: bool = False
    quarters: int = 0
    row: bool = False

    def __str__(self) -> str:
        if not (self.flipped or self.quarters):
            return IDENTITY
        return f"@{90 * self.quarters}{'f' if self.flipped else ''}"

    @property
    def inverse(self) -> Turn:
        """The inverse turn; a flipped turn is its own inverse."""
        return self if self.flipped else replace(self, quarters=-self.quarters % 4)

    def apply(self, kernels: FloatArray) -> FloatArray:
        """Turn an array in its last two axes, height and width, or a `row` in its last axis.

        3-D kernels are not turned along depth, which is often time.
        """
        if self.row:
            return np.flip(kernels, -1) if self.flipped != (self.quarters == 2) else kernels
        flipped = np.flip(kernels, -1) if self.flipped else kernels
        return np.rot90(flipped, self.quarters, axes=(-2, -1)) if self.quarters else flipped


def turns_of(kernel_shape: Sequence[int], *, flip: bool, rotate: bool) -> tuple[Turn, ...]:
    """The turns that preserve `kernel_shape`, the identity first.

    With both `flip` and `rotate`, all eight for a square, and four (without quarter turns) for other
    rectangles and for 1-D kernels.
    """
    row = len(kernel_shape) == 1
    square = not row and kernel_shape[-1] == kernel_shape[-2]
    quarters: Sequence[int] = (0,) if not rotate else range(4) if square else (0, 2)
    return tuple(
        Turn(flipped, each, row) for flipped in ((False, True) if flip else (False,)) for each in quarters
    )


BLOCK = 1 << 18
"""Values processed at a time, 1 MB: enough for BLAS to use its threads, few enough for the CPU cache."""

FOLDED = 36
"""Short rows are concatenated to about this many values for one product, as BLAS is slow on rows of 9."""

BATCH = 64
"""Number of candidates collected before their exact similarities are computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The most similar rows, best first; ties are in order of position.

    Attributes
    ----------
    positions
        Shape (found,): indices of the rows, counted across all banks.
    similarities
        Shape (found,).
    turns, negated
        The turn that maps each row to the query, and whether its sign is changed.
    not_finite
        Number of rows with NaN or infinity, which are similar to nothing.
    """

    positions: NDArray[np.int64]
    similarities: NDArray[np.float64]
    turns: tuple[Turn, ...]
    negated: NDArray[np.bool_]
    not_finite: int


def nearest(
    query: FloatArray,
    banks: Iterable[tuple[FloatArray, Lengths]],
    *,
    limit: int,
    scale: bool = True,
    sign: bool = False,
    turns: Sequence[Turn] = (Turn(),),
    leave_out: int | None = None,
) -> Nearest:
    """The `limit` rows of all banks that are most similar to `query`.

    All rows are scanned in float32; candidates are verified in float64. Non-finite rows are similar to
    nothing. All-zero rows are similar to nothing with `scale`; without it, their similarity is 0.

    Parameters
    ----------
    query
        A kernel, or a filter of shape (kernels, *kernel_shape); finite and not all zero.
    banks
        Arrays of shape (rows, *query.shape), each with its `lengths`; memory-mapped arrays are read block by
        block.
    scale, sign
        Whether positive multiples and negated rows count as the same.
    turns
        The turns to try: the similarity of a row is that of its most similar turn; ties go to the first.
    leave_out
        Index of a row to exclude: the query itself.
    """
    search = _Search(query, limit, scale=scale, sign=sign, turns=turns, leave_out=leave_out)
    start = 0
    for bank, lengths in banks:
        plain = np.asarray(bank)  # slicing a memmap is slow
        search.look_through(plain.reshape(len(plain), -1), lengths, start)
        start += len(bank)
    return search.result()


class _Search:
    """The best rows so far, and the similarity that a row must reach to be among them."""

    def __init__(
        self,
        query: FloatArray,
        limit: int,
        *,
        scale: bool,
        sign: bool,
        turns: Sequence[Turn],
        leave_out: int | None,
    ) -> None:
        self._limit, self._scale, self._sign, self._turns = limit, scale, sign, turns
        self._leave_out = leave_out
        # Turning the query by the inverse is equivalent to turning every row.
        self._units, norms = units(np.stack([turn.inverse.apply(query).reshape(-1) for turn in turns]))
        self._norm = float(norms[0])
        values = self._units.shape[1]
        self._fold = 1 << max(FOLDED // values, 1).bit_length() - 1
        self._step = max(BLOCK // values // self._fold, 1) * self._fold
        self._factors = [_folded(unit, self._fold) for unit in self._units]
        self._margin = rounding_error(values)
        # If the norm of the query matters and is out of range for float32, only float64 is used.
        self._quick = scale or SMALLEST < self._norm**2 < LARGEST
        self._bound = -np.inf
        self._queue: list[tuple[NDArray[np.int64], FloatArray]] = []
        self._numbers = np.empty(0, np.int64)
        self._similarities = np.empty(0)
        self._ways = np.empty(0, np.intp)
        self._not_finite = 0

    def look_through(self, rows: FloatArray, lengths: Lengths, start: int) -> None:
        """Collect candidates among the rows of a bank whose first row has index `start`."""
        self._not_finite += lengths.not_finite
        # In float32, infinity times the zeros of a folded factor would turn adjacent rows into NaN.
        fold = 1 if lengths.not_finite or lengths.apart.size else self._fold
        with np.errstate(all="ignore"):
            for at in range(0, len(rows), self._step):
                block = slice(at, at + self._step)
                chosen = np.flatnonzero(self._promising(rows[block], lengths.squares[block], fold))
                self._take(rows, at + chosen, start)
        self._take(rows, lengths.apart, start)
        if not self._scale and self._bound <= 0:
            self._take(rows, lengths.zeros[: self._limit], start)  # ties in order of position

    def result(self) -> Nearest:
        """The best rows of all banks."""
        self._settle()
        self._keep_best()
        count = len(self._turns)
        return Nearest(
            positions=self._numbers,
            similarities=self._similarities,
            turns=tuple(self._turns[way % count] for way in self._ways.tolist()),
            negated=self._ways >= count,
            not_finite=self._not_finite,
        )

    def _promising(self, rows: FloatArray, squares: NDArray[np.float32], fold: int) -> NDArray[np.bool_]:
        """Which rows may be among the best, given float32 similarities and their error bound."""
        if not self._quick:
            return ~np.isnan(squares)
        single = np.asarray(rows, np.float32)
        reached = self._sized(_product(single, self._factors[0], fold))
        for factor in self._factors[1:]:
            np.maximum(reached, self._sized(_product(single, factor, fold)), out=reached)
        if self._scale:
            whole = squares * self._bound
        else:
            reached *= 2 * self._norm
            whole = (squares + self._norm**2) * self._bound
        promising: NDArray[np.bool_] = reached >= whole
        return promising

    def _sized(self, products: FloatArray) -> FloatArray:
        """Monotonic in the similarity, in place; squares for `scale`, which avoids square roots of norms."""
        if self._scale:
            products *= products if self._sign else np.abs(products)
        elif self._sign:
            np.abs(products, out=products)
        return products

    def _take(self, rows: FloatArray, chosen: NDArray[np.intp], start: int) -> None:
        """Queue candidates until there are enough to compute their similarities."""
        if not chosen.size:
            return
        if self._leave_out is not None:
            chosen = chosen[chosen + start != self._leave_out]
        if chosen.size:
            self._queue.append((chosen + start, rows[chosen]))
            if sum(len(numbers) for numbers, _ in self._queue) >= BATCH:
                self._settle()

    def _settle(self) -> None:
        """Compute the exact similarities of the queued candidates, and raise the bound."""
        if not self._queue:
            return
        numbers, rows = (np.concatenate(each) for each in zip(*self._queue, strict=True))
        self._queue.clear()
        unit, norms = units(rows)
        similarities = np.stack([(unit * turned).sum(axis=1) for turned in self._units])
        if not self._scale:
            with np.errstate(all="ignore"):
                ratios = norms / self._norm
                similarities *= 2 / (ratios + 1 / ratios)
            similarities[:, ~rows.any(axis=1)] = 0
        similarities = rounded(similarities)
        ways = (np.abs(similarities) if self._sign else similarities).argmax(axis=0)
        similarity = similarities[ways, np.arange(len(rows))]
        if self._sign:
            ways += len(self._turns) * (similarity < 0)
            similarity = np.abs(similarity)
        self._numbers = np.concatenate([self._numbers, numbers])
        self._similarities = np.concatenate([self._similarities, similarity])
        self._ways = np.concatenate([self._ways, ways])
        if len(self._numbers) > 2 * self._limit:
            self._keep_best()

    def _keep_best(self) -> None:
        best = np.lexsort((self._numbers, -self._similarities))[: self._limit]
        self._numbers, self._similarities = self._numbers[best], self._similarities[best]
        self._ways = self._ways[best]
        if len(best) == self._limit:
            worst = float(self._similarities[-1])  # a NumPy scalar would promote to float64
            reached = worst * abs(worst) if self._scale else worst
            self._bound = np.inf if worst >= 1 else reached - self._margin  # nothing is better than 1


def _folded(column: NDArray[np.float64], fold: int) -> FloatArray:
    """Block-diagonal factor for `fold` concatenated rows, shape (values * fold, fold)."""
    return np.kron(np.eye(fold), column[:, np.newaxis]).astype(np.float32)


def _product(rows: FloatArray, folded: FloatArray, fold: int) -> FloatArray:
    """The product of each row with a `_folded` column, at most `fold` rows at a time."""
    fold = math.gcd(fold, len(rows))
    width = rows.shape[1] * fold
    product: FloatArray = rows.reshape(-1, width) @ folded[:width, :fold]
    return product.reshape(-1)
