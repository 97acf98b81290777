"""Classic, hand-designed kernels.

They are written for the convolution nodes of networks, which compute a cross-correlation: the kernel is
applied as written here, without being rotated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """One classic kernel: its label, and its values, which are `rows` times `factor`."""

    label: str
    rows: Rows
    factor: float = 1.0

    @property
    def size(self) -> int:
        """Height and width, which are equal."""
        return len(self.rows)


KERNELS: Mapping[str, Kernel] = {
    "edge_sobel_x": Kernel("Sobel x", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))),
    "edge_sobel_y": Kernel("Sobel y", ((-1, -2, -1), (0, 0, 0), (1, 2, 1))),
    "edge_prewitt_x": Kernel("Prewitt x", ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1))),
    "edge_prewitt_y": Kernel("Prewitt y", ((-1, -1, -1), (0, 0, 0), (1, 1, 1))),
    "edge_roberts_1": Kernel("Roberts, main diagonal", ((1, 0), (0, -1))),
    "edge_roberts_2": Kernel("Roberts, other diagonal", ((0, 1), (-1, 0))),
    "blur_box_3": Kernel("box 3×3", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), 1 / 9),
    "blur_gaussian_3": Kernel("Gaussian 3×3", ((1, 2, 1), (2, 4, 2), (1, 2, 1)), 1 / 16),
    "blur_gaussian_5": Kernel(
        "Gaussian 5×5",
        ((1, 4, 6, 4, 1), (4, 16, 24, 16, 4), (6, 24, 36, 24, 6), (4, 16, 24, 16, 4), (1, 4, 6, 4, 1)),
        1 / 256,
    ),
    "sharpen_laplacian": Kernel("Laplacian", ((0, 1, 0), (1, -4, 1), (0, 1, 0))),
    "sharpen_basic": Kernel("sharpen", ((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
    "sharpen_unsharp_5": Kernel(
        "unsharp mask 5×5",
        ((1, 4, 6, 4, 1), (4, 16, 24, 16, 4), (6, 24, -476, 24, 6), (4, 16, 24, 16, 4), (1, 4, 6, 4, 1)),
        -1 / 256,
    ),
    "emboss": Kernel("emboss", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
}
"""Classic kernels by layer name.

Sources, with x to the right and y down:

Sobel
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing", 1968. Positive where the
    picture gets lighter to the right (x), or downwards (y).
Prewitt
    J. Prewitt, "Object enhancement and extraction", in Picture Processing and Psychopictorics, 1970.
Roberts
    L. Roberts, "Machine perception of three-dimensional solids", 1963. The pixel and the three to its right
    and below.
box, Gaussian
    Mean of the neighbourhood, and the binomial approximation of a Gaussian: outer product of 1 2 1 and of
    1 4 6 4 1 with itself (B. Jähne, Digital Image Processing, "Binomial filters"). They sum to 1.
Laplacian, sharpen
    R. Gonzalez, R. Woods, Digital Image Processing, "Sharpening spatial filters": the second derivative over
    four neighbours, and the picture minus it. They sum to 0 and 1.
unsharp mask
    The picture plus its difference from its Gaussian 5×5 blur, in one kernel: 2 · identity − Gaussian. Sums
    to 1.
emboss
    The directional kernel of the GIMP manual, "Convolution matrix". Sums to 1, so uniform areas keep their
    brightness.
"""
