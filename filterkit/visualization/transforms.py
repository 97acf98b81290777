"""Random small shifts, scalings and rotations of pictures, as sparse matrices.

A picture that must keep its response under them has no patterns that depend on single pixels (Olah et al.
2017, section "Three Families of Regularization"). One matrix holds all three, so that pictures are
interpolated once, and its transpose is the exact adjoint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

SHIFT = 12
"""Largest shift in pixels, in each direction; in small pictures `SHARE` of their size."""

SHARE = 1 / 10

SCALES = (0.9, 1.1)
DEGREES = 10.0

MARGIN = 1 / 8
"""What is optimized beyond each border of a picture, and cut off at the end, as a share of its size."""

Window = tuple[tuple[int, int], tuple[int, int]]
"""The rows and columns of a picture that are computed, each as first and end."""


@dataclass(frozen=True)
class Transform:
    """A shift in pixels (down, right), a scaling and a rotation about the middle, in degrees."""

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    degrees: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int) -> Transform:
        """A transform for pictures of this size; those of height 1 are signals, which are not rotated."""
        shift = [float(rng.uniform(-1, 1) * min(SHIFT, SHARE * size)) for size in (height, width)]
        scale = float(rng.uniform(*SCALES))
        degrees = float(rng.uniform(-DEGREES, DEGREES))
        return cls((shift[0], shift[1]), scale, degrees) if height > 1 else cls((0.0, shift[1]), scale)

    def matrix(self, height: int, width: int, window: Window | None = None) -> sparse.csr_matrix:
        """The matrix from the pixels of a picture to those of the transformed one, or of a window of it.

        Interpolation is bilinear. Pictures are mirrored at their borders, which adds no edges.
        """
        (top, bottom), (left, right) = window or ((0, height), (0, width))
        middle = (height - 1) / 2, (width - 1) / 2
        y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(middle[0])
        x = np.arange(left, right, dtype=np.float32) - np.float32(middle[1])
        angle = np.deg2rad(self.degrees)
        cos, sin = (np.float32(each / self.scale) for each in (np.cos(angle), np.sin(angle)))
        down = cos * y - sin * x + np.float32(middle[0] - self.shift[0])
        along = sin * y + cos * x + np.float32(middle[1] - self.shift[1])
        (above, below, down), (before, after, along) = _between(down, height), _between(along, width)
        above, below = above * np.int32(width), below * np.int32(width)
        count = y.size * x.size
        indices = np.empty((*down.shape, 4), np.int32)
        weights = np.empty((*down.shape, 4), np.float32)
        for place, (row, column) in enumerate(product((above, below), (before, after))):
            np.add(row, column, out=indices[..., place])
        for place, (one, other) in enumerate(product((1 - down, down), (1 - along, along))):
            np.multiply(one, other, out=weights[..., place])
        ends = np.arange(0, 4 * count + 1, 4, dtype=np.int32)
        return sparse.csr_matrix((weights.ravel(), indices.ravel(), ends), shape=(count, height * width))


def _between(place: FloatArray, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
    """The pixels on both sides of places along an axis, and the distance from the first one."""
    below = np.floor(place)
    first, distance = below.astype(np.int32), place - below
    return _mirrored(first, size), _mirrored(first + 1, size), distance


def _mirrored(pixel: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """The pixels of an axis that those beyond its ends mirror."""
    if size == 1:
        return np.zeros_like(pixel)
    period = 2 * size - 2
    beyond = np.abs(pixel)
    found: NDArray[np.int32] = np.minimum(beyond, period - beyond)
    if found.min(initial=0) < 0:  # beyond the mirror image, which is rare; a remainder takes long
        beyond = pixel % period
        found = np.minimum(beyond, period - beyond)
    return found


def with_margin(size: Sequence[int], window: Window | None) -> tuple[tuple[int, int], Window]:
    """A larger size, and the part of it that is the whole, or a window, of the original size.

    Transforms then move real content into pictures, in place of their mirror image.
    """
    first, second = (math.ceil(MARGIN * each) if each > 1 else 0 for each in size)
    (top, bottom), (left, right) = window or ((0, size[0]), (0, size[1]))
    moved = (top + first, bottom + first), (left + second, right + second)
    return (size[0] + 2 * first, size[1] + 2 * second), moved


def apply(matrix: sparse.csr_matrix, pictures: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Each channel of pictures, shape (pictures, channels, height, width), through a matrix."""
    count, channels = pictures.shape[:2]
    found = np.empty((count * channels, matrix.shape[0]), np.float32)
    # One by one: planes side by side, as one product needs them, would have to be copied.
    for plane, place in zip(pictures.reshape(count * channels, -1), found, strict=True):
        place[...] = matrix @ plane
    return found.reshape(count, channels, *size)
