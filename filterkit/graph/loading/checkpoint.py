"""Checkpoints: weights without their network, written as a graph of unconnected convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit import budget

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

PRODUCER = "filterkit weights"
"""The producer name of such a graph, also in the catalog; it marks layers that are not a network."""

DATA_FILE = "weights.bin"
OPSET = 17
IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as it is stored in a file.

    Attributes
    ----------
    name
        Unique within the graph.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``.
    read
        Reads the values, little-endian; bfloat16 as uint16.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Convolution:
    """One layer of a checkpoint.

    Attributes
    ----------
    weights
        For a transposed convolution, O and I are swapped.
    bias
        Shape (out_channels,), or None.
    layout
        Order of the axes: ``"OIHW"``, ``"HWIO"`` or ``"OHWI"``, for kernels of any number of axes.
    depthwise
        Whether the last two axes are channels and filters per channel instead of I and O; only in HWIO.
    """

    weights: Stored
    bias: Stored | None = None
    layout: str = "OIHW"
    depthwise: bool = False
    transposed: bool = False


def write_checkpoint(path: Path, layers: Sequence[Convolution]) -> None:
    """Write `layers` as an ONNX file, with the arrays unchanged in a file beside it; one array at a time.

    Every layer is a node with its own input, named after its array. The nodes that convert the array to the
    axis order and type of a convolution are part of the graph. Strides and padding are unknown: 1 and none.
    """
    from onnx import helper

    graph = _Graph()
    with path.with_name(DATA_FILE).open("wb") as data:
        for layer in layers:
            budget.step("writing the array '{}' as a layer", layer.weights.name)
            graph.add(layer, data)
    made = helper.make_graph(graph.nodes, "checkpoint", graph.inputs, graph.outputs, graph.initializers)
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name=PRODUCER
    )
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.stored: set[str] = set()

    def add(self, layer: Convolution, data: Any) -> None:
        from onnx import TensorProto, helper, numpy_helper

        weights, rank = layer.weights, len(layer.weights.shape) - 2
        name, shape, groups = weights.name, weights.shape, 1
        dtype = "float16" if weights.dtype == "float16" else "float32"
        tensor = self._cast(self._store(weights, data), weights.dtype, dtype)
        if layer.layout != "OIHW":
            perm = (
                [rank + 1, rank, *range(rank)]
                if layer.layout == "HWIO"
                else [0, rank + 1, *range(1, rank + 1)]
            )
            perm = [rank, rank + 1, *range(rank)] if layer.depthwise else perm
            tensor = self._node("Transpose", [tensor], f"{name} in order", perm=perm)
            shape = tuple(weights.shape[axis] for axis in perm)
        if layer.depthwise:
            import numpy as np

            groups = shape[0]
            shape = (shape[0] * shape[1], 1, *shape[2:])
            self.initializers.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name} shape"))
            tensor = self._node("Reshape", [tensor, f"{name} shape"], f"{name} by channel")
        parameters = [tensor]
        if layer.bias is not None:
            parameters.append(self._cast(self._store(layer.bias, data), layer.bias.dtype, dtype))
        kind = TensorProto.FLOAT16 if dtype == "float16" else TensorProto.FLOAT
        channels = shape[0] if layer.transposed else shape[1] * groups
        lengths = [None] * rank
        self.inputs.append(helper.make_tensor_value_info(f"{name} input", kind, [None, channels, *lengths]))
        filters = shape[1] if layer.transposed else shape[0]
        self.outputs.append(helper.make_tensor_value_info(f"{name} output", kind, [None, filters, *lengths]))
        operator = "ConvTranspose" if layer.transposed else "Conv"
        options: dict[str, Any] = {"name": name, "kernel_shape": list(shape[2:]), "group": groups}
        self._node(operator, [f"{name} input", *parameters], f"{name} output", **options)

    def _store(self, array: Stored, data: Any) -> str:
        """Append the values to the data file; return the tensor's name."""
        import numpy as np
        from onnx import TensorProto

        kinds = {
            "float16": TensorProto.FLOAT16,
            "bfloat16": TensorProto.BFLOAT16,
            "float32": TensorProto.FLOAT,
            "float64": TensorProto.DOUBLE,
        }
        if array.name in self.stored:
            return array.name
        self.stored.add(array.name)
        tensor = TensorProto(name=array.name, data_type=kinds[array.dtype], dims=array.shape)
        start = data.tell()
        values = np.ascontiguousarray(array.read())
        data.write(values.astype(values.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8))
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", DATA_FILE), ("offset", start), ("length", data.tell() - start)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return array.name

    def _cast(self, tensor: str, given: str, wanted: str) -> str:
        from onnx import TensorProto

        if given == wanted:
            return tensor
        kind = TensorProto.FLOAT16 if wanted == "float16" else TensorProto.FLOAT
        return self._node("Cast", [tensor], f"{tensor} as {wanted}", to=kind)

    def _node(self, operator: str, inputs: list[str], output: str, **options: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], **options))
        return output
