"""Layers that dynamic quantization has made: integers in, integers out, and a scale behind."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.view import GraphView


def dynamic_scale(graph: GraphView, tensor: str, channels: int) -> tuple[NDArray[np.float32] | None, str]:
    """What brings the output of a layer of integers (ConvInteger, MatMulInteger) back to floats.

    Dynamic quantization writes ``Cast`` and ``Mul`` by the input's scale, found at run time, times the
    weight's, a constant.

    Parameters
    ----------
    tensor
        The layer's output.
    channels
        Number of output channels.

    Returns
    -------
    scale, tensor
        The weight's scale, shape (channels,), and the tensor it leads to; None and `tensor` where there is
        none.

    Raises
    ------
    NotConstant
        The scale would take too much to compute.
    """
    cast = _only_reader(graph, tensor, "Cast")
    product = _only_reader(graph, cast.output[0], "Mul") if cast is not None else None
    if cast is None or product is None:
        return None, tensor
    other = next((name for name in product.input if name != cast.output[0]), "")
    maker = graph.producer(other)
    for name in maker.input if maker is not None and maker.op_type == "Mul" else [other]:
        if graph.is_constant(name):
            scale = graph.constant(name)
            if scale.size in (1, channels) and scale.dtype.kind not in "OSUcb":
                return np.broadcast_to(scale.astype(np.float32).ravel(), (channels,)), product.output[0]
    return None, tensor


def _only_reader(graph: GraphView, tensor: str, op: str) -> onnx.NodeProto | None:
    readers = graph.consumers(tensor)
    fits = len(readers) == 1 and readers[0].op_type == op and bool(readers[0].output)
    return readers[0] if fits else None
