"""The families of classic kernels at any size: what `classic_type` holds a kernel against.

A family at a size is made of the kernels of `filterkit.kernels` that fit into it, in the middle of zeros and
in all their turns, and of the same designs at other widths, written for that size: the functions that they
sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, product

import numpy as np
from numpy.typing import NDArray

from filterkit.kernels import KERNELS

Floats = NDArray[np.float64]

NAMES = ("edge", "blur", "sharpen", "emboss")

NARROWEST = 0.35
"""Standard deviation in pixels of the Gaussian that stands for those that hardly blur."""

FIRST_WIDTH, WIDENING = 0.5, 1.6
"""Standard deviations of all else: the first, and the ratio of neighbours."""

EMBOSS = np.array(KERNELS["emboss"].rows, np.float64)
IDENTITY_SHARE = EMBOSS[1, 1] ** 2 / (EMBOSS**2).sum()
"""Energy of the identity in emboss; the rest is its gradient's."""


CLASSIC_PAIRS = tuple(
    (f"edge_{name}_{one}", f"edge_{name}_{other}")
    for name, one, other in (("sobel", "x", "y"), ("prewitt", "x", "y"), ("roberts", "1", "2"))
)
"""Names of the two that span a plane."""


@dataclass(frozen=True, eq=False)
class Families:
    """Kernels of length one, as rows of `templates`: float32, shape (templates, weights).

    Attributes
    ----------
    pairs
        How many pairs of edges there are: the first rows are their x parts, the next as many their y parts.
    blur, sharpen
        Rows of those families.
    identity
        The row of the identity, which an edge needs to be emboss.
    named
        Rows that are classic kernels as they stand in the catalog, in one of their turns.
    labels
        Their names, e.g. ``"emboss@90"``.
    owners
        Their families, as places in `NAMES`.
    """

    templates: NDArray[np.float32]
    pairs: int
    blur: slice
    sharpen: slice
    identity: int
    named: slice
    labels: tuple[str, ...]
    owners: NDArray[np.intp]

    def scores(self, products: NDArray[np.float32]) -> NDArray[np.float32]:
        """‖k‖ times the score of kernels k for every family, shape (filters, families, kernels).

        Parameters
        ----------
        products
            |templates · k|, shape (filters, templates, kernels).
        """
        x, y = products[:, : self.pairs], products[:, self.pairs : 2 * self.pairs]
        # Of the eight directions of a gradient, that along k: x, y, or the diagonal between them. An edge is
        # odd and the identity even, so the product with their sum is the sum of the products.
        along = np.maximum(np.maximum(x, y), (x + y) * np.float32(math.sqrt(0.5))).max(axis=1)
        emboss = (
            math.sqrt(1 - IDENTITY_SHARE) * along + math.sqrt(IDENTITY_SHARE) * products[:, self.identity]
        )
        edge = np.sqrt((x**2 + y**2).max(axis=1))
        blur, sharpen = products[:, self.blur].max(axis=1), products[:, self.sharpen].max(axis=1)
        return np.stack([edge, blur, sharpen, emboss], axis=1)


@lru_cache(maxsize=16)
def families(height: int, width: int) -> Families:
    """The families for kernels of that size, which have two weights or more."""
    classic = _classic(height, width)
    pairs = _edge_pairs(height, width, classic)
    kinds = (
        [x for x, _ in pairs] + [y for _, y in pairs],
        [_gaussian(height, width, NARROWEST), *_gaussians(height, width), *_of("blur", classic)],
        [*_sharpening(height, width), *_of("sharpen", classic)],
        [_identity(height, width)],
        list(classic.values()),
    )
    ends = np.cumsum([len(kernels) for kernels in kinds]).tolist()
    _, blur, sharpen, identity, named = (slice(*ends_of) for ends_of in zip([0, *ends], ends, strict=False))
    return Families(
        templates=np.stack([_unit(kernel).ravel() for kernel in chain(*kinds)]).astype(np.float32),
        pairs=len(pairs),
        blur=blur,
        sharpen=sharpen,
        identity=identity.start,
        named=named,
        labels=tuple(classic),
        owners=np.array([NAMES.index(_family(label)) for label in classic], np.intp),
    )


def _classic(height: int, width: int) -> dict[str, Floats]:
    """The classic kernels that fit, in all turns that differ by more than their sign.

    A turn is told by degrees counter-clockwise, and ``f`` where the kernel is flipped left-right before.
    """
    found: dict[str, Floats] = {}
    for flipped, quarters in product((False, True), range(4)):  # first all as they are written
        for name, kernel in KERNELS.items():
            margins = [side - kernel.size for side in (height, width)]
            if any(margin < 0 or margin % 2 for margin in margins):
                continue
            written = np.array(kernel.rows, np.float64)
            turned = np.rot90(written[:, ::-1] if flipped else written, quarters)
            placed = np.pad(turned, [(margin // 2,) * 2 for margin in margins])
            if not any(_alike(placed, other) for other in found.values()):
                turn = f"@{90 * quarters}{'f' * flipped}"
                found[name if turn == "@0" else name + turn] = placed
    return found


def _family(label: str) -> str:
    return label.partition("_")[0].partition("@")[0]


def _of(family: str, classic: dict[str, Floats]) -> list[Floats]:
    return [kernel for label, kernel in classic.items() if _family(label) == family]


def _edge_pairs(height: int, width: int, classic: dict[str, Floats]) -> list[tuple[Floats, Floats]]:
    """Derivatives of Gaussians in x and y, and the classic pairs: planes that hold every direction."""
    y, x = _grid(height, width)
    pairs = [(x * blur, y * blur) for blur in _gaussians(height, width)]
    for one, other in CLASSIC_PAIRS:
        if one in classic and not any(_alike(classic[one], known) for known, _ in pairs):
            pairs.append((classic[one], classic[other]))
    return pairs


def _sharpening(height: int, width: int) -> list[Floats]:
    """Differences of blurs, the identity and the box among them, and unsharp masks: 2·identity − blur."""
    identity = _identity(height, width)
    blurs = _gaussians(height, width)
    differences = [narrow - wide for narrow, wide in combinations([identity, *blurs], 2)]
    return differences + [2 * identity - blur for blur in blurs]


def _gaussians(height: int, width: int) -> list[Floats]:
    """Blurs from narrow to as wide as the kernel, and the box at last, which is a Gaussian without end."""
    widths = [FIRST_WIDTH]
    while widths[-1] * WIDENING < max(height, width) / 2:
        widths.append(widths[-1] * WIDENING)
    return [_gaussian(height, width, deviation) for deviation in (*widths, math.inf)]


def _gaussian(height: int, width: int, deviation: float) -> Floats:
    """A Gaussian of that standard deviation in pixels, which sums to 1."""
    y, x = _grid(height, width)
    weights = np.exp(-(x**2 + y**2) / (2 * deviation**2))
    gaussian: Floats = weights / weights.sum()
    return gaussian


def _identity(height: int, width: int) -> Floats:
    """The weight in the middle, or the mean of those around it where no weight stands there."""
    y, x = _grid(height, width)
    squares = x**2 + y**2
    middle = squares == squares.min()
    identity: Floats = middle / middle.sum()
    return identity


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """y and x of every weight, from the middle, down and to the right."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return y - (height - 1) / 2, x - (width - 1) / 2


def _unit(kernel: Floats) -> Floats:
    """Brought to length one; zeros stay."""
    return kernel / (float(np.linalg.norm(kernel)) or 1.0)


def _alike(one: Floats, other: Floats) -> bool:
    return bool(abs((_unit(one) * _unit(other)).sum()) > 1 - 1e-9)
