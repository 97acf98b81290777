"""`classic`: the filters that people designed before networks learned theirs, as a model of its own.

Every kernel is a real Conv node with one filter on a gray picture. Convolution nodes of networks correlate:
the kernel lies on the picture as it is written here, not turned around. The border is replicated, so that
every output has the picture's size. Pixels run 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import UsageError
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel, Preprocessing

if TYPE_CHECKING:
    import onnx

Rows = tuple[tuple[float, ...], ...]

OPSET = 17
IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Kernel:
    """One classic kernel: what it is called, and its numbers, which are `rows` times `factor`."""

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
"""From layer name to kernel.

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
    four neighbours, and the picture minus it. They sum to 0 and to 1.
unsharp mask
    The picture plus its difference from its Gaussian 5×5 blur, in one kernel: 2 · identity − Gaussian. Sums
    to 1.
emboss
    The directional kernel of the GIMP manual, "Convolution matrix". Sums to 1, so even areas keep their tone.
"""


class ClassicSource:
    """Writes the classic kernels as an ONNX model, one layer per kernel."""

    scheme = "classic"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Write the model; `ref` is empty, as there is only one.

        Raises
        ------
        UsageError
            Where `ref` is not empty.
        """
        if ref:
            raise UsageError(
                f"the classic filters take no '{ref}'",
                hint="add them all with 'filterkit add classic'; an address picks one: classic/edge_sobel_x",
            )
        path = workdir / "classic.onnx"
        path.write_bytes(_model().SerializeToString(deterministic=True))
        return FetchedModel(
            onnx_path=path,
            origin="classic image-processing kernels, written by filterkit",
            preprocessing=Preprocessing(channel_order="GRAY", layout="NCHW", scale=1 / 255),
            layer_names={name: name for name in KERNELS},
            license="Apache-2.0",
            filter_labels={name: (kernel.label,) for name, kernel in KERNELS.items()},
        )


def _model() -> onnx.ModelProto:
    """The graph: per kernel size one Pad that replicates the border, per kernel one Conv without padding."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    sizes = sorted({kernel.size for kernel in KERNELS.values()})
    picture = ("N", 1, "H", "W")
    nodes, constants = [], []
    for size in sizes:
        before, after = (size - 1) // 2, size // 2
        pads = np.array([0, 0, before, before, 0, 0, after, after], np.int64)
        constants.append(numpy_helper.from_array(pads, f"pads_{size}"))
        nodes.append(
            helper.make_node(
                "Pad", ["gray", f"pads_{size}"], [f"padded_{size}"], name=f"pad_{size}", mode="edge"
            )
        )
    for name, kernel in KERNELS.items():
        weights = (np.array(kernel.rows, np.float64) * kernel.factor).astype(np.float32)
        constants.append(numpy_helper.from_array(weights[np.newaxis, np.newaxis], f"{name}_weights"))
        shape = [kernel.size, kernel.size]
        nodes.append(
            helper.make_node(
                "Conv", [f"padded_{kernel.size}", f"{name}_weights"], [name], name=name, kernel_shape=shape
            )
        )
    graph = helper.make_graph(
        nodes,
        "classic",
        [helper.make_tensor_value_info("gray", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, picture) for name in KERNELS],
        constants,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="filterkit",
    )
