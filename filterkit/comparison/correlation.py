"""Compare filters and layers by their responses to the same pictures.

Two filters are compared by the Pearson correlation of their responses, which ignores scale and offset; two
layers by linear centred kernel alignment, which also ignores rotations of the space that the filters span
(S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of Neural Network Representations Revisited", ICML
2019, arXiv:1905.00414): ``|Xᵀ Y|² / (|Xᵀ X| |Yᵀ Y|)``, with the Frobenius norm, of the responses X and Y,
shape (pictures, filters), whose columns have mean 0. Products of pairs of filters suffice: no matrix of pairs
of pictures is computed, and responses are read block by block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.comparison.assignment import match_filters
from filterkit.comparison.similarity import rounded
from filterkit.short_reprs import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

    Floats = NDArray[np.float64]
    Order = NDArray[np.intp]

CONSTANT = 1e-6
"""A standard deviation of responses below this, relative to their mean, is rounding of float32."""

BLOCK = 1 << 20
"""Values of a layer that are converted at a time, 8 MB."""

TILE = 1024
"""Filters of each layer whose products are computed at a time, 8 MB."""

ALONE = -1
"""Instead of the number of a partner: there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Responses of the filters of a layer to pictures; made by `read_responses`.

    Attributes
    ----------
    values
        Shape (pictures, filters); memory-mapped.
    order
        Where in `values` each picture is; None if they are in order.
    means
        Shape (filters,): the mean over the pictures; NaN where responses are not finite.
    lengths
        Shape (filters,): the norm of the differences from the mean; 0 where responses are constant, NaN where
        they are not finite.
    """

    values: FloatArray
    order: Order | None
    means: Floats
    lengths: Floats

    __repr__ = short_repr

    @property
    def varying(self) -> NDArray[np.bool_]:
        """Which filters have a correlation with others."""
        varying: NDArray[np.bool_] = self.lengths > 0
        return varying

    def centred(self, pictures: slice, filters: slice = slice(None)) -> Floats:
        """Differences from the mean; 0 for filters that do not vary."""
        block = _block(self.values, self.order, pictures, filters)
        with np.errstate(invalid="ignore"):
            block -= self.means[filters]
        block[:, ~self.varying[filters]] = 0
        return block

    def centred_filter(self, number: int) -> Floats:
        """Differences of one filter from its mean, shape (pictures,)."""
        whole: Floats = self.centred(slice(None), slice(number, number + 1))[:, 0]
        return whole


def read_responses(values: FloatArray, order: Order | None = None) -> Responses:
    """Compute means and norms in one pass over `values`, merging those of blocks (Chan et al., 1983).

    Parameters
    ----------
    values
        Shape (pictures, filters).
    order
        Where in `values` each picture is, if they are not in order.
    """
    count, filters = values.shape
    means, squares = np.zeros(filters), np.zeros(filters)
    with np.errstate(invalid="ignore", over="ignore"):
        for pictures in _steps(count, filters):
            block = _block(values, None, pictures)
            share = len(block) / pictures.stop  # of the pictures so far
            own = block.mean(axis=0)
            apart = own - means
            means += apart * share
            block -= own
            squares += np.square(block).sum(axis=0) + apart**2 * share * pictures.start
        lengths = np.sqrt(squares)
        lengths[lengths <= CONSTANT * np.sqrt(count) * np.abs(means)] = 0
    unknown = ~np.isfinite(means + lengths)
    means[unknown] = lengths[unknown] = np.nan
    return Responses(values, order, means, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class LayerCorrelation:
    """How similarly two layers respond.

    Attributes
    ----------
    cka
        Linear centred kernel alignment, from 0 to 1; NaN if no filter of one of them varies.
    partners
        For each filter of the first layer, its partner in the other one, or `ALONE`.
    correlation
        Of each filter with its partner; NaN if undefined.
    moved
        Which filters have a partner of another number; None if partners were not assigned.
    means, other_means
        Mean responses of each filter and of its partner; NaN if unknown.
    not_finite
        Number of filters of either layer that have responses with NaN or infinity.
    """

    cka: float
    partners: Order
    correlation: Floats
    moved: NDArray[np.bool_] | None
    means: Floats
    other_means: Floats
    not_finite: int

    __repr__ = short_repr


def correlate(a: Responses, b: Responses, *, assign: bool = False) -> LayerCorrelation:
    """Compare two layers by their responses to the same pictures.

    With `assign`, the partners are those that maximize the sum of all correlations. Without, they are the
    filters of the same number, if both layers have equally many.
    """
    fa, fb = len(a.means), len(b.means)
    matrix = np.empty((fa, fb)) if assign else None
    covariance = np.full(fa, np.nan)
    crossed = 0.0
    for rows, columns, product in _products(a, b):
        crossed += float(np.square(product).sum())
        if matrix is not None:
            matrix[rows, columns] = product
        elif fa == fb and rows == columns:
            covariance[rows] = product.diagonal()
    partners = np.arange(fa) if fa == fb else np.full(fa, ALONE)
    if matrix is not None:
        partners = match_filters(_correlations(matrix, a.lengths[:, np.newaxis], b.lengths), *_spreads(a, b))
        covariance = matrix[np.arange(fa), partners]
    alone = partners == ALONE
    norms = _norm(a) * _norm(b)
    correlation = _correlations(covariance, a.lengths, b.lengths[partners])
    other_means = b.means[partners]
    correlation[alone] = other_means[alone] = np.nan
    return LayerCorrelation(
        cka=float(rounded(np.asarray(crossed / norms))) if norms else math.nan,
        partners=partners,
        correlation=correlation,
        moved=(partners != np.arange(fa)) & ~alone if assign else None,
        means=a.means,
        other_means=other_means,
        not_finite=int(np.isnan(a.means).sum() + np.isnan(b.means).sum()),
    )


def correlations_with(query: Floats, responses: Responses) -> Floats:
    """The correlation of each filter with a filter of another layer, NaN if undefined.

    Parameters
    ----------
    query
        Responses of that filter to the same pictures minus their mean, not all 0, shape (pictures,).
    """
    covariance = np.zeros(len(responses.means))
    for pictures in _steps(*responses.values.shape):
        covariance += query[pictures] @ responses.centred(pictures)
    return _correlations(covariance, np.linalg.norm(query), responses.lengths)


def _correlations(covariance: Floats, lengths: Floats | np.floating, others: Floats) -> Floats:
    """Covariances over the product of norms; NaN where one of them is 0 or NaN."""
    product = np.asarray(lengths) * others
    unknown = np.full(np.broadcast_shapes(covariance.shape, product.shape), np.nan)
    return rounded(np.divide(covariance, product, out=unknown, where=product > 0))


def _spreads(a: Responses, b: Responses) -> Sequence[Floats]:
    """Norms of the filters of both, for `match_filters`: 0 for those that do not vary."""
    return [np.where(each.varying, each.lengths, 0.0) for each in (a, b)]


def _norm(responses: Responses) -> float:
    """The Frobenius norm of the products of all pairs of filters of a layer."""
    squares = sum(float(np.square(product).sum()) for *_, product in _products(responses, responses))
    return float(np.sqrt(squares))


def _products(a: Responses, b: Responses) -> Iterator[tuple[slice, slice, Floats]]:
    """Products of the filters of two layers, summed over the pictures, tile by tile."""
    count, fa = a.values.shape
    fb = b.values.shape[1]
    for rows in _slices(fa, TILE):
        for columns in _slices(fb, TILE):
            product = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
            for pictures in _steps(count, max(product.shape)):
                left = a.centred(pictures, rows)
                same = b is a and columns == rows  # then BLAS computes half of the products
                product += left.T @ (left if same else b.centred(pictures, columns))
            yield rows, columns, product


def _block(values: FloatArray, order: Order | None, pictures: slice, filters: slice = slice(None)) -> Floats:
    chosen = values[pictures, filters] if order is None else values[order[pictures], filters]
    return np.array(chosen, np.float64)


def _steps(pictures: int, filters: int) -> Iterator[slice]:
    return _slices(pictures, max(1, BLOCK // max(filters, 1)))


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
