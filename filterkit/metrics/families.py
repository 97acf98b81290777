"""The families of classic kernels at any size, with which `classic_type` compares kernels.

A family at a given size consists of the kernels of `filterkit.kernels` that fit into it, zero-padded and in
all rotations and reflections, and of the underlying functions (Gaussians and their derivatives) sampled at
that size with several widths.
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
"""Standard deviation in pixels of the narrowest Gaussian, which hardly blurs."""

FIRST_WIDTH, WIDENING = 0.5, 1.6
"""Standard deviations of all others: the first, and the ratio of successive ones."""

EMBOSS = np.array(KERNELS["emboss"].rows, np.float64)
IDENTITY_SHARE = EMBOSS[1, 1] ** 2 / (EMBOSS**2).sum()
"""Share of the identity in the energy of emboss; the rest is its gradient."""


CLASSIC_PAIRS = tuple(
    (f"edge_{name}_{one}", f"edge_{name}_{other}")
    for name, one, other in (("sobel", "x", "y"), ("prewitt", "x", "y"), ("roberts", "1", "2"))
)
"""Names of the pairs that span a plane."""


@dataclass(frozen=True, eq=False)
class Families:
    """Kernels of unit length as rows of `templates`: float32, shape (templates, weights).

    Attributes
    ----------
    pairs
        Number of edge pairs: the first rows are their x parts, followed by as many y parts.
    blur, sharpen
        Rows of these families.
    identity
        The row of the identity, which is added to edges for emboss.
    named
        Rows that are kernels of the `classic` model, rotated or reflected.
    labels
        Their names, e.g. ``"emboss@90"``.
    owners
        Their families, as indices into `NAMES`.
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
        """‖k‖ times the score of kernels k for each family, shape (filters, families, kernels).

        Parameters
        ----------
        products
            |templates · k|, shape (filters, templates, kernels).
        """
        x, y = products[:, : self.pairs], products[:, self.pairs : 2 * self.pairs]
        # The best of eight gradient directions: x, y, or the diagonal between them. An edge is odd and the
        # identity even, so the product with their sum is the sum of the products.
        along = np.maximum(np.maximum(x, y), (x + y) * np.float32(math.sqrt(0.5))).max(axis=1)
        emboss = (
            math.sqrt(1 - IDENTITY_SHARE) * along + math.sqrt(IDENTITY_SHARE) * products[:, self.identity]
        )
        edge = np.sqrt((x**2 + y**2).max(axis=1))
        blur, sharpen = products[:, self.blur].max(axis=1), products[:, self.sharpen].max(axis=1)
        return np.stack([edge, blur, sharpen, emboss], axis=1)


@lru_cache(maxsize=16)
def families(height: int, width: int) -> Families:
    """The families for kernels of that size, which must have at least two weights."""
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
    """The classic kernels that fit, in all rotations and reflections that differ by more than the sign.

    These are labelled by degrees counter-clockwise, with ``f`` if the kernel is flipped left-right first.
    """
    found: dict[str, Floats] = {}
    for flipped, quarters in product((False, True), range(4)):  # first the unrotated ones
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
    """Derivatives of Gaussians in x and y, and the classic pairs; each spans all directions."""
    y, x = _grid(height, width)
    pairs = [(x * blur, y * blur) for blur in _gaussians(height, width)]
    for one, other in CLASSIC_PAIRS:
        if one in classic and not any(_alike(classic[one], known) for known, _ in pairs):
            pairs.append((classic[one], classic[other]))
    return pairs


def _sharpening(height: int, width: int) -> list[Floats]:
    """Differences of blurs, including identity and box, and unsharp masks: 2·identity − blur."""
    identity = _identity(height, width)
    blurs = _gaussians(height, width)
    differences = [narrow - wide for narrow, wide in combinations([identity, *blurs], 2)]
    return differences + [2 * identity - blur for blur in blurs]


def _gaussians(height: int, width: int) -> list[Floats]:
    """Blurs from narrow to as wide as the kernel, and finally the box, a Gaussian of infinite width."""
    widths = [FIRST_WIDTH]
    while widths[-1] * WIDENING < max(height, width) / 2:
        widths.append(widths[-1] * WIDENING)
    return [_gaussian(height, width, deviation) for deviation in (*widths, math.inf)]


def _gaussian(height: int, width: int, deviation: float) -> Floats:
    """A Gaussian with that standard deviation in pixels; sums to 1."""
    y, x = _grid(height, width)
    weights = np.exp(-(x**2 + y**2) / (2 * deviation**2))
    gaussian: Floats = weights / weights.sum()
    return gaussian


def _identity(height: int, width: int) -> Floats:
    """The central weight, or the mean of the central weights for even sizes."""
    y, x = _grid(height, width)
    squares = x**2 + y**2
    middle = squares == squares.min()
    identity: Floats = middle / middle.sum()
    return identity


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """y (down) and x (right) of each weight, relative to the centre."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return y - (height - 1) / 2, x - (width - 1) / 2


def _unit(kernel: Floats) -> Floats:
    """Scaled to unit length; zeros are unchanged."""
    return kernel / (float(np.linalg.norm(kernel)) or 1.0)


def _alike(one: Floats, other: Floats) -> bool:
    return bool(abs((_unit(one) * _unit(other)).sum()) > 1 - 1e-9)
