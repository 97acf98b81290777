"""Which classic filter a learned one looks like."""

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
"""Score below which a filter is of no family."""


@dataclass(frozen=True)
class ClassicType:
    """The family of classic filters to which a filter comes nearest, how near, and to which of its kernels.

    A kernel's score for a family is a cosine, 0 to 1; a filter's score is the mean of its kernels', weighted
    by their energy ‖k‖². The families at a kernel's size (σ is 0.5 pixels, 1.6 times that and so on, up to
    half the kernel, and infinite, a box or ramp):

    - edge: the projection of the kernel, at length one, onto the plane of an x/y pair, so that every
      direction counts: derivatives of Gaussians (x·G(σ), y·G(σ); W. Freeman, E. Adelson, "The design and use
      of steerable filters", PAMI 1991), Sobel, Prewitt, Roberts.
    - blur: the largest |cosine| to Gaussians, σ = 0.35 too, and to the box.
    - sharpen: to differences of two Gaussians (D. Marr, E. Hildreth, "Theory of edge detection", 1980), the
      identity as the narrowest of them; to 2·identity − Gaussian; to the classic Laplacian and sharpen.
    - emboss: to an edge in one of eight directions plus the identity, as strong beside it as in the classic
      emboss: a thirteenth of the energy.

    To each belong the kernels of the `classic` model that fit, in the middle of zeros, in their rotations and
    reflections.

    - ``classic_type``: the family with the largest score, ``other`` where that is below 0.8; ``pointwise``
      for 1×1 kernels.
    - ``classic_score``: that largest score.
    - ``classic_kernel``: the kernel of `classic` in that family with the largest |cosine|, weighted in the
      same way, whatever its score: ``edge_sobel_x``; turned, ``emboss@90`` (degrees counter-clockwise) or
      ``…@90f`` (flipped left-right before). A turn that changes no more than the sign has no name of its own.

    Signs do not count, so a blur that inverts is a blur. The identity is the Gaussian that does not blur:
    blur. Axes of one weight do not count: a 1×7 kernel and one of a 1-D convolution are rows of seven. Sizes
    that no classic kernel of the family fits (even ones, rows) have no `classic_kernel`. Kernels with three
    dimensions, or more than 1,024 weights, have none of the three; 1×1 kernels no score and no kernel. A
    filter that is all zero is ``other`` with score 0 and no kernel. One with a NaN or infinite weight has
    none of the three, unless it is pointwise.
    """

    columns: ClassVar[tuple[str, ...]] = ("classic_type", "classic_score", "classic_kernel")

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """Arrays of shape (out_channels,): texts, float64, texts.

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
    """Score for every family, shape (out_channels, families); name of the nearest classic kernel, or ''."""
    filters, channels = bank.weights.shape[:2]
    scores = np.zeros((filters, len(NAMES)))
    named = np.zeros((filters, len(known.labels)))
    templates = len(known.templates)
    step = max(1, BLOCK_NUMBERS // templates)  # a stranger's filter may have millions of kernels
    for block, kernels in kernel_blocks(bank, np.float32, room=channels * templates):
        energy = np.zeros((len(kernels), 1))
        for start in range(0, channels, step):
            part = kernels[:, start : start + step]
            # Filter by filter, as many small products: one large one is shared out over threads, at a loss.
            products = np.abs(known.templates @ part.swapaxes(1, 2))
            lengths = np.sqrt(np.einsum("fcw,fcw->fc", part, part))
            energy[:, 0] += np.einsum("fc,fc->f", lengths, lengths)
            # A product is ‖k‖ times its cosine: times ‖k‖ once more it is weighted by energy.
            scores[block] += np.einsum("fsc,fc->fs", known.scores(products), lengths)
            named[block] += np.einsum("ftc,fc->ft", products[:, known.named], lengths)
        scores[block] /= np.where(energy == 0, 1, energy)
    rivals = known.owners != scores.argmax(axis=1)[:, np.newaxis]
    named[rivals] = -1
    none = np.full((filters, 1), -0.5)  # wins where no classic kernel is of the family
    nearest = np.append(named, none, axis=1).argmax(axis=1)
    return np.minimum(scores, 1), np.array([*known.labels, ""])[nearest]
