"""`classic`: hand-designed image-processing filters (Sobel, Gaussian, …) as a model.

Every kernel is a Conv node with one filter on a grayscale picture. The border is replicated, so that every
output has the size of the picture. Pixels are in [0, 1].
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.classic_kernels import KERNELS
from filterkit.errors import UsageError
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel, Preprocessing

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8


class ClassicSource:
    """Writes the classic kernels as an ONNX model, one layer per kernel."""

    scheme = "classic"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Write the model; `ref` must be empty, as there is only one.

        Raises
        ------
        UsageError
            If `ref` is not empty.
        """
        if ref:
            raise UsageError(
                f"the model source 'classic' takes no reference, got '{ref}'",
                hint="'filterkit add classic' adds all of them; select one by address: classic/edge_sobel_x",
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
