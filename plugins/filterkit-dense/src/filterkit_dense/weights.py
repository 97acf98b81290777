"""Weights and biases of matrix products as arrays."""

from __future__ import annotations

from typing import Any

import filterkit
import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit_dense.product import Product, Unread, attributes

Floats = NDArray[np.floating[Any]]
_UNCHANGED = ("Identity", "Cast", "CastLike", "DequantizeLinear", "Reshape", "Squeeze", "Unsqueeze")


def read_weight(graph: filterkit.GraphView, product: Product, *, codes: bool) -> Floats:
    """The weight as (outputs, inputs): float32, or float16 as stored, its factor and scale included.

    Raises
    ------
    Unread
        It is no matrix of real numbers.
    """
    stored = graph.constant(product.weight)
    if stored.dtype.kind in "OSUcb" or (stored.dtype.kind in "iu" and not codes):
        raise Unread(f"the weight is of type {stored.dtype}, which no layer learns")
    if stored.ndim > 2 and set(stored.shape[:-2]) == {1}:
        stored = stored.reshape(stored.shape[-2:])
    if stored.ndim != 2:
        many = f"{int(np.prod(stored.shape[:-2]))} matrices" if stored.ndim > 2 else "no matrix"
        raise Unread(f"the weight is {many}, of shape {'×'.join(map(str, stored.shape)) or 'none'}")
    if 0 in stored.shape:
        raise Unread("the weight is empty")
    matrix = _decoded(graph, product, stored) if codes else stored
    matrix = np.ascontiguousarray(matrix if product.outputs_first else matrix.T, _float_of(matrix.dtype))
    return matrix if product.alpha == 1 else matrix * matrix.dtype.type(product.alpha)


def _float_of(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    return np.float16 if dtype == np.float16 else np.float32


def _decoded(graph: filterkit.GraphView, product: Product, codes: NDArray[Any]) -> NDArray[np.float32]:
    """Codes less their zero point, times their scale; one of each for all, or one per output."""
    values = codes.astype(np.float32)
    axis = 0 if product.outputs_first else 1
    for name, combine in ((product.zero, np.subtract), (product.scale, np.multiply)):
        if not name:
            continue
        if not graph.is_constant(name):
            raise Unread("the weight's scale or zero point is computed as it runs")
        part = graph.constant(name).astype(np.float32).ravel()
        if part.size not in (1, codes.shape[axis]):
            raise Unread("the weight's scale or zero point does not fit its shape")
        values = combine(values, part if axis else part[:, np.newaxis])
    return values


def read_bias(graph: filterkit.GraphView, product: Product, outputs: int) -> Floats | None:
    """Gemm's bias, one value per output; None where something else is added, or nothing."""
    if not product.bias or not graph.is_constant(product.bias):
        return None
    stored = graph.constant(product.bias)
    axis = (0 if product.left else 1) - 2 + stored.ndim  # aligned at the right, as in broadcasting
    others = [size for place, size in enumerate(stored.shape) if place != axis]
    length = stored.shape[axis] if 0 <= axis < stored.ndim else 1
    if stored.dtype.kind != "f" or set(others) - {1} or length not in (1, outputs):
        return None
    bias = np.broadcast_to(stored.astype(_float_of(stored.dtype)).ravel(), (outputs,))
    return bias if product.beta == 1 else bias * bias.dtype.type(product.beta)


def dynamic_scale(graph: filterkit.GraphView, tensor: str, outputs: int) -> tuple[Floats | None, str]:
    """What brings a MatMulInteger's output back to floats, as dynamic quantization writes it.

    That is ``Cast`` and ``Mul`` by the input's scale, found at run time, times the weight's, a constant.

    Returns
    -------
    scale, tensor
        The weight's scale per output and the tensor it leads to; None and `tensor` where there is none.
    """
    cast = _reader(graph, tensor, "Cast")
    product = _reader(graph, cast.output[0], "Mul") if cast is not None else None
    if cast is None or product is None:
        return None, tensor
    other = next((name for name in product.input if name != cast.output[0]), "")
    maker = graph.producer(other)
    for name in maker.input if maker is not None and maker.op_type == "Mul" else [other]:
        if graph.is_constant(name):
            scale = graph.constant(name).astype(np.float32).ravel()
            if scale.size in (1, outputs):
                return np.broadcast_to(scale, (outputs,)), product.output[0]
    return None, tensor


def _reader(graph: filterkit.GraphView, tensor: str, op: str) -> onnx.NodeProto | None:
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and readers[0].op_type == op else None


def origin(graph: filterkit.GraphView, product: Product) -> tuple[str, str, str]:
    """Where a weight is stored: name, element type and axes of what stands in the file."""
    tensor, letters = product.weight, "OI" if product.outputs_first else "IO"
    while (node := graph.producer(tensor)) is not None and node.input:
        if node.op_type == "Transpose":
            turned = list(attributes(node).get("perm", (1, 0)))[-2:]
            letters = letters[::-1] if turned[0] > turned[1] else letters
        elif node.op_type not in _UNCHANGED:
            return tensor, str(graph.constant(product.weight).dtype), "reshaped"
        tensor = node.input[0]
    home = graph.home(tensor)
    kind = home.stored_type(tensor) if home is not None else onnx.TensorProto.FLOAT
    return tensor, str(onnx.helper.tensor_dtype_to_np_dtype(kind)), letters
