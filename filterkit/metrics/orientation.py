"""Which way a filter's gradient points, how clearly, and how fine its pattern is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import LARGEST_KERNEL, extent, kernel_blocks

if TYPE_CHECKING:
    from filterkit.records import FilterBank

FEW = 8
"""Fewer kernels than weights / FEW are taken one by one, since there are more pairs of weights than that."""

FLAT = 1e-12
"""Share of the energy up to which a gradient is what rounding leaves of none."""

ISOTROPIC = 1e-6
"""Strength up to which no orientation is told."""


@dataclass(frozen=True)
class OrientationMetrics:
    """The dominant gradient of a filter's kernels, and their spatial frequency.

    - ``orientation``: degrees from 0 to below 180 between the x axis and the dominant gradient,
      counter-clockwise as the kernel is seen, its first row on top. Sobel x, whose gradient runs from left to
      right, has 0, Sobel y 90, and a gradient from the lower left to the upper right 45. It comes from the
      structure tensor J = Σ g·gᵀ over all kernels (J. Bigün, G. Granlund, "Optimal orientation detection of
      linear symmetry", ICCV 1987): ½·atan2(2·Jxy, Jxx − Jyy). The gradient g is taken in the middle of each
      2×2 weights, from the mean of the two differences in either direction.
    - ``orientation_strength``: its coherence √((Jxx − Jyy)² + 4·Jxy²) / (Jxx + Jyy). 1 where all gradients
      lie along one line, 0 where none prevails.
    - ``frequency``: Σ |f|·|K(f)|² / Σ |K(f)|² in cycles per pixel, with K the kernels' frequency response:
      the DFT of the kernel with zeros around it, at as many points per axis as the power of two that is at
      least twice the kernel and at least 64. At most ½ in one dimension, √½ in two.

    Axes of one weight do not count: a 1×7 kernel has one dimension, and its frequency lies along it.
    Orientation is defined for kernels with two dimensions, frequency from one on, neither for 1×1. Where
    there is no gradient, as in a constant kernel or in zeros, the strength is 0. Rounding leaves a little
    gradient where there is none: it counts as none where Jxx + Jyy ≤ 10⁻¹²·Σw². Where the strength is 0 up
    to rounding (a millionth), no orientation is defined. A filter that is all zero has no frequency; one
    with a NaN or infinite weight has none of the three, nor have kernels of more than 1,024 weights.
    """

    columns: ClassVar[tuple[str, ...]] = ("orientation", "orientation_strength", "frequency")

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One float64 array of shape (out_channels,) per column.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        filters = len(bank.weights)
        sides = extent(bank)
        measured = {column: np.full(filters, np.nan) for column in self.columns}
        if not sides or math.prod(sides) > LARGEST_KERNEL:
            return dict(measured)
        forms = _forms(sides)
        channels, weights = bank.weights.shape[1], forms.shape[1]
        few = channels * FEW < weights
        for block, kernels in kernel_blocks(bank, room=channels * weights if few else weights**2):
            values = _each(kernels, forms) if few else _together(kernels, forms)
            energy = np.einsum("fcw,fcw->f", kernels, kernels)
            with np.errstate(divide="ignore", invalid="ignore"):
                measured["frequency"][block] = values[0] / energy
            if len(sides) == 2:
                angle, strength = _dominant(values[1:], energy)
                measured["orientation"][block] = angle
                measured["orientation_strength"][block] = strength
        flat = bank.weights.reshape(filters, -1)
        broken = ~np.isfinite(flat.min(axis=1)) | ~np.isfinite(flat.max(axis=1))
        measured["orientation_strength"][broken] = np.nan
        return dict(measured)


def _together(kernels: NDArray[np.floating], forms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every form of every filter, shape (forms, filters): one pass for their second moments serves all."""
    moments = kernels.swapaxes(1, 2) @ kernels
    summed: NDArray[np.float64] = (moments.reshape(len(kernels), -1) @ forms.reshape(len(forms), -1).T).T
    return summed


def _each(kernels: NDArray[np.floating], forms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same kernel by kernel: second moments are many more numbers than a few large kernels."""
    flat = kernels.reshape(-1, kernels.shape[2])
    values = np.stack([np.einsum("kw,kw->k", flat @ form, flat) for form in forms])
    summed: NDArray[np.float64] = values.reshape(len(forms), *kernels.shape[:2]).sum(axis=2)
    return summed


def _dominant(
    tensors: NDArray[np.float64], energy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angle in degrees and coherence of structure tensors: rows Jxx, Jyy and Jxy."""
    xx, yy, xy = tensors
    length = xx + yy
    along = np.hypot(xx - yy, 2 * xy)
    strength = np.divide(along, length, out=np.zeros_like(length), where=length > FLAT * energy)
    angle = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 % 180 % 180  # -1e-20 % 180 is 180
    angle[strength <= ISOTROPIC] = np.nan
    return angle, np.minimum(strength, 1)


@lru_cache(maxsize=16)
def _forms(sides: tuple[int, ...]) -> NDArray[np.float64]:
    """Matrices Q of kᵀ·Q·k for a kernel k: frequency, and in two dimensions Jxx, Jyy and Jxy.

    Shape (1 or 4, weights, weights).
    """
    places = np.argwhere(np.ones(sides))
    steps = places[:, np.newaxis] - places
    grid = [max(64, 1 << (2 * side - 1).bit_length()) for side in sides]
    squares = sum(axis**2 for axis in np.ix_(*map(np.fft.fftfreq, grid)))
    # By Parseval, the sum over frequencies is one over pairs of weights, weighted by how far they lie apart.
    apart = np.fft.ifftn(np.sqrt(squares)).real
    forms = [apart[tuple(np.moveaxis(steps, -1, 0))]]
    if len(sides) == 2:
        kernels = np.eye(len(places)).reshape(-1, *sides)
        right = np.diff(kernels, axis=2)
        down = np.diff(kernels, axis=1)
        gx = ((right[:, :-1] + right[:, 1:]) / 2).reshape(len(places), -1)
        gy = -((down[:, :, :-1] + down[:, :, 1:]) / 2).reshape(len(places), -1)  # up is where y grows
        forms += [gx @ gx.T, gy @ gy.T, (gx @ gy.T + gy @ gx.T) / 2]
    return np.stack(forms)
