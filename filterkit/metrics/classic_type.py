"""The classic filter that a learned filter resembles most, and the families of classic kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from filterkit.classic_kernels import KERNELS
from filterkit.metrics.blocks import BLOCK_NUMBERS, LARGEST_KERNEL, extent, filter_peaks, kernel_blocks

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
