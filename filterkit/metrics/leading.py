"""The largest squared singular value of many small matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def leading_energy(matrices: NDArray[np.floating]) -> Floats:
    """σ₁² of each matrix: the energy of its best rank-1 approximation.

    Computed as the largest eigenvalue of A·Aᵀ, with A transposed to have no more rows than columns. For two
    and three rows, the closed form (O. Smith, "Eigenvalues of a symmetric 3 × 3 matrix", Communications of
    the ACM 4, 1961) is many times faster than a decomposition.

    Parameters
    ----------
    matrices
        Shape (count, rows, columns), finite.

    Returns
    -------
    array
        Shape (count,).
    """
    if matrices.shape[1] > matrices.shape[2]:
        matrices = matrices.swapaxes(1, 2)
    size = matrices.shape[1]
    if size > 3:
        largest: Floats = np.linalg.eigvalsh(matrices @ matrices.swapaxes(1, 2))[:, -1]
        return largest
    rows = np.ascontiguousarray(
        matrices.transpose(1, 2, 0), np.float64
    )  # position by position, for long vectorized sums
    gram: dict[tuple[int, int], Floats] = {
        (i, j): (rows[i] * rows[j]).sum(axis=0) for i in range(size) for j in range(i, size)
    }
    return (_of_one, _of_two, _of_three)[size - 1](gram)


def _of_one(a: dict[tuple[int, int], Floats]) -> Floats:
    return a[0, 0]


def _of_two(a: dict[tuple[int, int], Floats]) -> Floats:
    root: Floats = (a[0, 0] + a[1, 1] + np.hypot(a[0, 0] - a[1, 1], 2 * a[0, 1])) / 2
    return root


def _of_three(a: dict[tuple[int, int], Floats]) -> Floats:
    mean = (a[0, 0] + a[1, 1] + a[2, 2]) / 3
    x, y, z = a[0, 0] - mean, a[1, 1] - mean, a[2, 2] - mean
    xy, xz, yz = a[0, 1], a[0, 2], a[1, 2]
    off = xy**2 + xz**2 + yz**2
    spread = np.sqrt((x**2 + y**2 + z**2 + 2 * off) / 6)
    determinant = x * (y * z - yz**2) - xy * (xy * z - yz * xz) + xz * (xy * yz - y * xz)
    cubed = np.where(spread > 0, spread, 1) ** 3
    angle = np.arccos(np.clip(determinant / cubed / 2, -1, 1)) / 3
    root: Floats = mean + 2 * spread * np.cos(angle)
    return root
