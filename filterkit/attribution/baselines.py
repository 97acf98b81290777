"""Pictures without information, which are compared with the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray

Baseline = Literal["black", "gray", "white", "blur"]

WIDTH = 1 / 16
"""Standard deviation of the blur, as a share of the picture's longer side."""


def baseline(subject: Subject, kind: Baseline) -> FloatArray:
    """A picture of one colour, or the blurred picture, of the shape of ``subject.picture``."""
    if kind == "blur":
        return np.ascontiguousarray(
            subject.part(blurred(subject.whole, WIDTH * max(subject.whole.shape[1:])))
        )
    share = {"black": 0.0, "gray": 0.5, "white": 1.0}[kind]
    colour = subject.black + share * (subject.white - subject.black)
    return np.broadcast_to(colour, subject.picture.shape).astype(subject.picture.dtype)


def blurred(picture: FloatArray, sigma: float) -> FloatArray:
    """A picture, shape (C, H, W), after a Gaussian blur; pixels at the edge are repeated beyond it."""
    result = picture
    for axis in (1, 2):
        reach = int(3 * sigma + 1)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        sides = [(0, 0)] * 3
        sides[axis] = (reach, reach)
        padded = np.pad(result, sides, mode="edge")
        result = np.apply_along_axis(np.convolve, axis, padded, weights / weights.sum(), mode="valid")
    return result.astype(picture.dtype)
