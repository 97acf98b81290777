"""The classic filter that a learned filter resembles most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.metrics.blocks import BLOCK_NUMBERS, LARGEST_KERNEL, extent, filter_peaks, kernel_blocks
from filterkit.metrics.families import NAMES, Families, families

if TYPE_CHECKING:
    from filterkit.records import FilterBank

LEAST_SCORE = 0.8
"""Score below which a filter belongs to no family."""


@dataclass(frozen=True)
class ClassicType:
    """The family of classic filters that a filter resembles most, the score, and the most similar kernel.

    A kernel's score for a family is a cosine between 0 and 1; a filter's score is the mean over its kernels,
    weighted by their energy ‖k‖². The families at a given kernel size (σ is 0.5 pixels, 1.6 times that and so
    on, up to half the kernel, and infinite, i.e. a box or ramp):

    - edge: the norm of the projection of the normalized kernel onto the plane of an x/y pair, so that all
      directions count: derivatives of Gaussians (x·G(σ), y·G(σ); W. Freeman, E. Adelson, "The design and use
      of steerable filters", PAMI 1991), Sobel, Prewitt, Roberts.
    - blur: the largest |cosine| with Gaussians, also with σ = 0.35, and with the box.
    - sharpen: with differences of two Gaussians (D. Marr, E. Hildreth, "Theory of edge detection", 1980), the
      identity being the narrowest; with 2·identity − Gaussian; with the classic Laplacian and sharpen.
    - emboss: with an edge in one of eight directions plus the identity, in the proportion of the classic
      emboss: a thirteenth of the energy.

    Each family includes the kernels of the `classic` model that fit, zero-padded, in all rotations and
    reflections.

    - ``classic_type``: the family with the largest score, ``other`` if that is below 0.8; ``pointwise``
      for 1×1 kernels.
    - ``classic_score``: the largest score.
    - ``classic_kernel``: the kernel of `classic` in that family with the largest |cosine|, weighted in the
      same way, whatever its score: ``edge_sobel_x``; rotated, ``emboss@90`` (degrees counter-clockwise) or
      ``…@90f`` (flipped left-right first). A rotation that only changes the sign is not named.

    Signs are ignored, so an inverting blur is a blur. The identity counts as blur, as the limit of narrow
    Gaussians. Axes of length 1 are ignored: 1×7 kernels and 1-D kernels of length 7 are equivalent. At sizes
    for which the family has no classic kernel (even ones, rows), `classic_kernel` is undefined. For 3-D
    kernels, or with more than 1,024 weights, all three are undefined; for 1×1 kernels, score and kernel. An
    all-zero filter is ``other`` with score 0 and no kernel. For a filter with NaN or infinite weights, all
    three are undefined unless it is pointwise.
    """

    columns: ClassVar[tuple[str, ...]] = ("classic_type", "classic_score", "classic_kernel")

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """Arrays of shape (out_channels,): strings, float64, strings.

        Parameters
        ----------
        bank
            Weights of shape (out_channels, in_channels / groups, *kernel_shape).
        """
        filters = len(bank.weights)
        sides = extent(bank)
        if not 0 < len(sides) < 3 or math.prod(sides) > LARGEST_KERNEL:
            unknown = np.full(filters, "")
            types = unknown if sides else np.full(filters, "pointwise")
            return {
                "classic_type": types,
                "classic_score": np.full(filters, np.nan),
                "classic_kernel": unknown,
            }
        scores, labels = _compare(bank, families(*(1, *sides)[-2:]))
        best = scores.max(axis=1)
        types = np.where(best < LEAST_SCORE, "other", np.array(NAMES)[scores.argmax(axis=1)])
        finite = np.isfinite(filter_peaks(bank))
        return {
            "classic_type": np.where(finite, types, ""),
            "classic_score": np.where(finite, best, np.nan),
            "classic_kernel": np.where(best > 0, labels, ""),
        }


def _compare(bank: FilterBank, known: Families) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Scores, shape (out_channels, families), and names of the most similar classic kernels, or ''."""
    filters, channels = bank.weights.shape[:2]
    scores = np.zeros((filters, len(NAMES)))
    named = np.zeros((filters, len(known.labels)))
    templates = len(known.templates)
    step = max(1, BLOCK_NUMBERS // templates)  # an untrusted filter may have millions of kernels
    for block, kernels in kernel_blocks(bank, np.float32, room=channels * templates):
        energy = np.zeros((len(kernels), 1))
        for start in range(0, channels, step):
            part = kernels[:, start : start + step]
            # Small products per filter are faster: a large one would be split among threads at a loss.
            products = np.abs(known.templates @ part.swapaxes(1, 2))
            lengths = np.sqrt(np.einsum("fcw,fcw->fc", part, part))
            energy[:, 0] += np.einsum("fc,fc->f", lengths, lengths)
            # A product is ‖k‖ times the cosine; multiplying by ‖k‖ again weights it by energy.
            scores[block] += np.einsum("fsc,fc->fs", known.scores(products), lengths)
            named[block] += np.einsum("ftc,fc->ft", products[:, known.named], lengths)
        scores[block] /= np.where(energy == 0, 1, energy)
    rivals = known.owners != scores.argmax(axis=1)[:, np.newaxis]
    named[rivals] = -1
    none = np.full((filters, 1), -0.5)  # wins if the family has no classic kernel
    nearest = np.append(named, none, axis=1).argmax(axis=1)
    return np.minimum(scores, 1), np.array([*known.labels, ""])[nearest]
