"""Filters of many channels as colour pictures: three non-negative factors of the channels (Voss et al. 2021).

Each filter is a matrix of positions × channels, with positive and negative parts as separate channels
(one-sided factorization, as in C. Voss et al., "Visualizing Weights", Distill 2021). Its best approximation
of rank 3 by non-negative matrices groups channels with the same spatial pattern; the three patterns become
red, green and blue. The updates are those of A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale
nonnegative matrix and tensor factorizations", IEICE 2009 (HALS). They start from singular
vectors, as in C. Boutsidis, E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
factorization", Pattern Recognition 2008, so that nothing is random.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.records import FloatArray

COUNT = 3
NAMES = ("R", "G", "B")
NOTE = "red, green and blue: three non-negative factors of the kernels, the largest in red"

STEPS = 30
"""Updates of both factors; later ones change the pictures invisibly."""

TOGETHER = 2**18
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

    right = _start(matrices, rank)
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
        rest = products[:, row] - (gram[:, row : row + 1] @ factor)[:, 0]
        factor[:, row] = np.maximum(factor[:, row] + rest / scale, 0)


def _start(matrices: FloatArray, rank: int) -> FloatArray:
    """Rows to start from: the signs that dominate in each pair of the largest singular vectors (NNDSVD)."""
    import numpy as np

    wide = matrices.shape[1] <= matrices.shape[2]
    turned = matrices.transpose(0, 2, 1)
    _, vectors = np.linalg.eigh((matrices @ turned if wide else turned @ matrices).astype(np.float64))
    largest = vectors[:, :, : -rank - 1 : -1].astype(np.float32)
    other = (turned if wide else matrices) @ largest  # of the length of the singular value
    left, right = (largest, other) if wide else (other, largest)
    both = [[np.maximum(sign * each, 0) for each in (left, right)] for sign in (1, -1)]
    sizes = [np.prod([np.linalg.norm(each, axis=1) for each in pair], axis=0) for pair in both]
    chosen = np.where((sizes[0] >= sizes[1])[:, np.newaxis], both[0][1], both[1][1])
    return np.ascontiguousarray(chosen.transpose(0, 2, 1))
