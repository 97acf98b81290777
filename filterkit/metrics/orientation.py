"""The orientation of a filter's gradient, its coherence, and the spatial frequency of the filter."""

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
"""With fewer kernels than weights / FEW, iterating over kernels is cheaper than computing second moments."""

FLAT = 1e-12
"""Share of the energy up to which a gradient is considered rounding error."""

ISOTROPIC = 1e-6
"""Strength up to which the orientation is undefined."""


@dataclass(frozen=True)
class OrientationMetrics:
    """The dominant gradient of a filter's kernels and their spatial frequency.

    - ``orientation``: angle between the x axis and the dominant gradient in degrees, at least 0 and below
      180, counter-clockwise with the first row of the kernel on top. It is 0 for Sobel x (gradient from left
      to right), 90 for Sobel y, and 45 for a gradient from lower left to upper right. It is computed from
      the structure tensor J = Σ g·gᵀ over all kernels (J. Bigün, G. Granlund, "Optimal orientation detection
      of linear symmetry", ICCV 1987): ½·atan2(2·Jxy, Jxx − Jyy). The gradient g is computed at the centre of
      each 2×2 block of weights, as the mean of the two differences in each direction.
    - ``orientation_strength``: its coherence √((Jxx − Jyy)² + 4·Jxy²) / (Jxx + Jyy). 1 if all gradients are
      parallel, 0 if no direction dominates.
    - ``frequency``: Σ |f|·|K(f)|² / Σ |K(f)|² in cycles per pixel, with K the kernels' frequency response:
      the DFT of the zero-padded kernel; the points per axis are the smallest power of two that is at least
      64 and twice the kernel side. At most ½ in one dimension, √½ in two.

    Axes of length 1 are ignored: a 1×7 kernel is one-dimensional. Orientation is defined for two-dimensional
    kernels, frequency for those with at least one dimension, neither for 1×1. Without a gradient, as in
    constant or zero kernels, the strength is 0; a gradient with Jxx + Jyy ≤ 10⁻¹²·Σw² is considered rounding
    error. The orientation is undefined if the strength is at most a millionth. An all-zero filter has no
    frequency; with NaN or infinite weights, or for kernels of more than 1,024 weights, all three are
    undefined.
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
    """All forms of all filters, shape (forms, filters), from their second moments."""
    moments = kernels.swapaxes(1, 2) @ kernels
    summed: NDArray[np.float64] = (moments.reshape(len(kernels), -1) @ forms.reshape(len(forms), -1).T).T
    return summed


def _each(kernels: NDArray[np.floating], forms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, kernel by kernel, which is cheaper for a few large kernels."""
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
    # By Parseval, the sum over frequencies is a sum over pairs of weights, weighted by their offset.
    apart = np.fft.ifftn(np.sqrt(squares)).real
    forms = [apart[tuple(np.moveaxis(steps, -1, 0))]]
    if len(sides) == 2:
        kernels = np.eye(len(places)).reshape(-1, *sides)
        right = np.diff(kernels, axis=2)
        down = np.diff(kernels, axis=1)
        gx = ((right[:, :-1] + right[:, 1:]) / 2).reshape(len(places), -1)
        gy = -((down[:, :, :-1] + down[:, :, 1:]) / 2).reshape(len(places), -1)  # y points up
        forms += [gx @ gx.T, gy @ gy.T, (gx @ gy.T + gy @ gx.T) / 2]
    return np.stack(forms)
