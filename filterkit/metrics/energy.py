"""How a filter's energy Σw² is distributed: means, rank-1 parts, symmetric parts, channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import LARGEST_KERNEL, extent, filter_peaks, kernel_blocks

if TYPE_CHECKING:
    from filterkit.records import FilterBank

DEAD = 1e-3
"""Share of the layer's median norm below which a filter is dead."""


@dataclass(frozen=True)
class EnergyMetrics:
    """The distribution of a filter's energy. All but `dead` are scale-invariant shares between 0 and 1.

    With k a kernel of n weights, and E = Σ‖k‖² over the filter's kernels:

    - ``dc_share`` = Σ n·mean(k)² / E: the energy of the kernels' means, i.e. of the response to a constant
      input.
    - ``separability`` = Σ σ₁(k)² / E, with σ₁ the largest singular value: the energy of the kernels' best
      rank-1 parts, outer products of a column and a row (Eckart & Young, "The approximation of one matrix by
      another of lower rank", 1936). 1 for kernels with only one side longer than 1.
      Undefined for 3-D kernels and for kernels of more than 1,024 weights.
    - ``even_share`` = Σ ‖(k + k′)/2‖² / E, where k′ is k turned by 180°: the energy of the part that is
      symmetric under that rotation. The rest is the energy of the odd part, which is orthogonal to it.
    - ``channel_entropy`` = −Σ p ln p / ln C, with p the share of E in each of C input channels (evenness:
      Pielou, "The measurement of diversity in different types of biological collections", 1966). 1 if all
      channels are equal, 0 if only one is used. Undefined for filters with one channel.
    - ``opponency`` = 1 − Σ (r + g + b)²/3 / E over the positions of the kernels: the energy off the gray
      axis r = g = b. Defined if the layer reads the three colours of a picture.
    - ``dead``: true if ‖w‖₂ is 0 or below a thousandth of the median over the layer's filters. All filters of
      an all-zero layer are dead; if most filters are zero, the others are not dead.

    All shares are undefined for an all-zero filter and for one with NaN or infinite weights. The latter is
    not dead, and left out of the median. For 1×1 kernels, `dc_share`, `separability` and `even_share` are 1.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "dc_share",
        "separability",
        "even_share",
        "channel_entropy",
        "opponency",
        "dead",
    )

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One array of shape (out_channels,) per column: float64, `dead` bool.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        filters, channels = bank.weights.shape[:2]
        sides = extent(bank)
        colours = channels == 3 and set(bank.input_channels) == {"R", "G", "B"}
        shares = {column: np.full(filters, np.nan) for column in self.columns[:-1]}
        norms = np.zeros(filters)
        with np.errstate(divide="ignore", invalid="ignore"):
            for block, kernels in kernel_blocks(bank):
                energies = np.einsum("fcw,fcw->fc", kernels, kernels)
                energy = energies.sum(axis=1)
                norms[block] = np.sqrt(energy)
                energy[energy == 0] = np.nan
                weights = kernels.shape[2]
                sums = kernels @ np.ones(weights)
                shares["dc_share"][block] = (sums**2).sum(axis=1) / weights / energy
                turned = np.einsum("fcw,fcw->f", kernels, kernels[:, :, ::-1])
                shares["even_share"][block] = (1 + turned / energy) / 2
                if len(sides) < 2:
                    shares["separability"][block] = energy / energy
                elif len(sides) == 2 and kernels.shape[2] <= LARGEST_KERNEL:
                    first = leading_energy(kernels.reshape(-1, *sides)).reshape(energies.shape)
                    shares["separability"][block] = first.sum(axis=1) / energy
                if channels > 1:
                    shares["channel_entropy"][block] = _evenness(energies / energy[:, np.newaxis])
                if colours:
                    gray = (kernels.sum(axis=1) ** 2).sum(axis=1) / 3
                    shares["opponency"][block] = 1 - gray / energy
            peaks = filter_peaks(bank).astype(np.float64)
            finite = np.isfinite(peaks)
            scale = peaks[finite].max(initial=0) or 1  # only ratios of norms matter
            dead = _dead(np.where(finite, peaks / scale * norms, np.nan))
        return {**{name: np.clip(values, 0, 1) for name, values in shares.items()}, "dead": dead}


def _evenness(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the shares in each row, relative to its maximum."""
    surprise = -np.log(np.where(shares > 0, shares, 1))
    evenness: NDArray[np.float64] = (shares * surprise).sum(axis=1) / np.log(shares.shape[1])
    return evenness


def _dead(norms: NDArray[np.float64]) -> NDArray[np.bool_]:
    known = norms[~np.isnan(norms)]
    median = float(np.median(known)) if known.size else 0.0
    dead: NDArray[np.bool_] = (norms < DEAD * median) | (norms == 0)
    return dead


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
