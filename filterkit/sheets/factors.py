"""Filters of many channels as colour pictures: three non-negative factors of the channels (Voss et al. 2021).

Each filter is a matrix of positions × channels, with positive and negative parts as separate channels
(one-sided factorization, as in C. Voss et al., "Visualizing Weights", Distill 2021). Its best approximation
of rank 3 by non-negative matrices groups channels with the same spatial pattern; the three patterns become
red, green and blue. The updates are those of A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale
nonnegative matrix and tensor factorizations", IEICE 2009 (HALS). They start from unlike rows of the matrix,
chosen as by N. Gillis, S. Vavasis, "Fast and robust recursive algorithms for separable nonnegative matrix
factorization", PAMI 2014. Nothing is random.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.records import FloatArray

COUNT = 3
NAMES = ("R", "G", "B")
NOTE = "red, green and blue: three groups of kernels with similar patterns, the largest in red"

STEPS = 40
"""Updates of both factors; later ones change the pictures invisibly."""

TOGETHER = 2**22
"""Values that are factored at a time."""


def factored(bank: FloatArray) -> FloatArray:
    """The spatial patterns of three groups of kernels of each filter.

    Parameters
    ----------
    bank
        Shape (filters, kernels, *kernel_shape); NaN and infinity count as 0.

    Returns
    -------
    ndarray
        float32, not negative, shape (filters, 3, *kernel_shape), in the units of the weights: each pattern is
        multiplied by the norm of its group's weights, and the one with the largest norm is the first. Where
        there are fewer positions or kernels than 3, the remaining patterns are 0.
    """
    import numpy as np

    filters, kernels, *space = bank.shape
    places = math.prod(space)
    result = np.zeros((filters, COUNT, places), np.float32)
    together = max(1, TOGETHER // max(kernels * places, 1))
    for start in range(0, filters, together):
        some = np.nan_to_num(bank[start : start + together].astype(np.float32), posinf=0, neginf=0)
        matrices = some.reshape(len(some), kernels, places)
        parts = np.concatenate([np.maximum(matrices, 0), np.maximum(-matrices, 0)], axis=1)
        patterns, groups = factorize(parts.transpose(0, 2, 1), min(COUNT, places, 2 * kernels))
        norms = np.linalg.norm(groups, axis=2)
        patterns = (patterns * norms[:, np.newaxis]).transpose(0, 2, 1)
        order = np.argsort(-np.linalg.norm(patterns, axis=2), axis=1, kind="stable")
        result[start : start + len(some), : patterns.shape[1]] = np.take_along_axis(
            patterns, order[:, :, np.newaxis], axis=1
        )
    return result.reshape(filters, COUNT, *space)


def factorize(matrices: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Approximate non-negative matrices by products of non-negative factors of a given rank.

    Parameters
    ----------
    matrices
        Shape (count, rows, columns).

    Returns
    -------
    ndarray, ndarray
        Shapes (count, rows, rank) and (count, rank, columns).
    """
    import numpy as np

    right = _unlike_rows(matrices, rank)
    left = np.zeros((*matrices.shape[:2], rank), np.float32)
    turned = np.ascontiguousarray(matrices.transpose(0, 2, 1))
    for _ in range(STEPS):
        patterns = np.ascontiguousarray(left.transpose(0, 2, 1))
        _update(patterns, right @ turned, right @ right.transpose(0, 2, 1))
        left = patterns.transpose(0, 2, 1)
        _update(right, patterns @ matrices, patterns @ left)
    return left, right


def _update(factor: FloatArray, products: FloatArray, gram: FloatArray) -> None:
    """The best rows of a factor, shape (count, rank, …), one after the other, in place."""
    import numpy as np

    for row in range(factor.shape[1]):
        scale = np.maximum(gram[:, row, row], np.finfo(np.float32).tiny)[:, np.newaxis]
        rest = products[:, row] - np.einsum("nk,nkc->nc", gram[:, row], factor)
        factor[:, row] = np.maximum(factor[:, row] + rest / scale, 0)


def _unlike_rows(matrices: FloatArray, count: int) -> FloatArray:
    """Rows of each matrix that differ most: each has the largest part that the ones before do not explain."""
    import numpy as np

    rest = matrices.copy()
    found = np.zeros((len(matrices), count, matrices.shape[2]), np.float32)
    every = np.arange(len(matrices))
    for place in range(count):
        chosen = np.square(rest).sum(axis=2).argmax(axis=1)
        found[:, place] = matrices[every, chosen]
        along = rest[every, chosen]
        norms = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        along = along / norms
        rest -= (rest @ along[:, :, np.newaxis]) * along[:, np.newaxis]
    return found
