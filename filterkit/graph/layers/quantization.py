"""Dynamically quantized layers: integer inputs and outputs, and a scale after the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.constant_operands import aligned
from filterkit.graph.layers.elementwise_regions import readers_of
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView

QUANTIZERS = frozenset({"DynamicQuantizeLinear", "QuantizeLinear"})
CARRIERS = frozenset(
    {"Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad", "MaxPool", "Slice", "Concat"}
)
"""Operators that may come between a quantizer and a layer without changing the codes."""
BIAS_STEPS = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Floor", "Round", "Ceil"})
"""Operators that round and reshape a bias."""
LONGEST = 8
"""Maximum number of these operators in a row."""
INTEGERS = frozenset(
    {
        *(onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT4, onnx.TensorProto.UINT4),
        *(onnx.TensorProto.INT16, onnx.TensorProto.UINT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64),
    }
)
MOST_FACTORS = 2
"""Number of multiplications after a layer: one by both scales, or one by each."""


@dataclass(frozen=True, slots=True)
class RealOutput:
    """How the integer output of a layer is dequantized.

    Attributes
    ----------
    scale
        The weight's scale, shape (channels,).
    bias
        The real value of what is added to the integers, shape (channels,); None where there is no bias or it
        is unknown.
    tensor
        The dequantized output.
    """

    scale: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    tensor: str


def dynamic_scale(graph: GraphView, tensor: str, channels: int) -> tuple[NDArray[np.float32] | None, str]:
    """Find the scale that dequantizes the output of an integer layer (ConvInteger, MatMulInteger).

    Dynamic quantization writes ``Cast`` and ``Mul`` by the product of the input's scale, which is computed at
    run time, and the weight's, which is constant.

    Parameters
    ----------
    tensor
        The layer's output.
    channels
        Number of output channels.

    Returns
    -------
    scale, tensor
        The weight's scale, shape (channels,), and the dequantized tensor; None and `tensor` where there is
        no such scale.

    Raises
    ------
    NotConstant
        The scale would take too much to compute.
    """
    producer = graph.producer(tensor)
    found = _scale_chain(
        graph, tensor, channels, producer.input[0] if producer is not None and producer.input else ""
    )
    return (None, tensor) if found is None else (found[0].astype(np.float32), found[2])


def real_output(graph: GraphView, node: onnx.NodeProto, channels: int) -> RealOutput | None:
    """How the output of a ConvInteger is dequantized; None where it is not, or where no scale is constant.

    Older tools add the bias to the integers, divided by both scales; this is undone here.

    Raises
    ------
    NotConstant
        The scale would take too much to compute.
    """
    tensor, added = node.output[0], ""
    readers = readers_of(graph, tensor)
    if len(readers) == 1 and readers[0].op_type == "Add" and readers[0].output:
        tensor = readers[0].output[0]
        added = next((name for name in readers[0].input if name != node.output[0]), "")
    found = _scale_chain(graph, tensor, channels, node.input[0])
    if found is None:
        return None
    scale, factors, result = found
    bias = _bias(graph, added, scale, factors, channels) if added else None
    if not any(factors):  # both scales in one constant
        scale = scale / _scale_of_input(graph, node.input[0])
    return RealOutput(scale.astype(np.float32), bias, result)


def reads_codes(graph: GraphView, tensor: str) -> bool:
    """Whether a tensor holds the codes of a quantizer, not integers that are plain numbers."""
    producer = _producer_through(graph, tensor, CARRIERS)
    return producer is not None and producer.op_type in QUANTIZERS


def are_cast_integers(graph: GraphView, tensor: str) -> bool:
    """Whether a weight is stored as integers and only cast.

    This is how weight-only quantization with the scale after the layer is written.
    """
    home = graph.home(tensor)
    for _ in range(LONGEST):
        producer = home.producer(tensor) if home is not None else None
        if producer is None or producer.op_type not in ("Cast", "CastLike", *CARRIERS - {"Concat", "Pad"}):
            break
        tensor = producer.input[0]
        home = home.home(tensor) if home is not None else None
    is_stored = home is not None and home.is_constant(tensor)
    return is_stored and home is not None and home.stored_type(tensor) in INTEGERS


def factor_of_output(
    graph: GraphView, tensor: str, layout: str, channels: int
) -> tuple[NDArray[np.float32], str]:
    """The constant by which a layer's output is multiplied, one value per channel, and the product.

    Ones and `tensor` itself where its only reader is not such a multiplication.
    """
    node = _only_reader(graph, tensor)
    if node is not None and node.op_type == "Mul" and len(node.input) == 2:
        other = next((name for name in node.input if name != tensor), "")
        factor = aligned(graph, node, other, layout, channels) if other else None
        if factor is not None and factor.dtype.kind == "f":
            return np.broadcast_to(factor.astype(np.float32), (channels,)), node.output[0]
    return np.ones(channels, np.float32), tensor


def _scale_chain(
    graph: GraphView, tensor: str, channels: int, codes: str
) -> tuple[NDArray[Any], tuple[str, ...], str] | None:
    """The product of the constants by which cast integers are multiplied, the other factors, and the result.

    None where the scale of the layer's input, which is computed at run time with its `codes`, is missing.
    """
    node = _only_reader(graph, tensor)
    quantizer = _producer_through(graph, codes, CARRIERS)
    is_dynamic = quantizer is not None and quantizer.op_type == "DynamicQuantizeLinear"
    if node is not None and node.op_type == "DequantizeLinear" and len(node.input) == 2:
        scale, factors = _factors(graph, node.input[1], channels)
        return None if scale is None or (is_dynamic and not factors) else (scale, factors, node.output[0])
    if node is None or node.op_type != "Cast":
        return None
    of_input = _scale_name(quantizer)
    total: NDArray[Any] | None = None
    found: tuple[str, ...] = ()
    tensor = node.output[0]
    seen: list[str] = []
    for _ in range(MOST_FACTORS):
        node = _only_reader(graph, tensor)
        if node is None or node.op_type != "Mul" or len(node.input) != 2:
            break
        other = next((name for name in node.input if name != tensor), "")
        if total is not None and not (of_input and of_input in (*seen, other)):
            break  # a factor of something else, such as a batch norm
        scale, factors = _factors(graph, other, channels)
        if scale is not None:
            total = scale if total is None else total * scale
        elif total is not None and other != of_input:
            break
        tensor, found = node.output[0], found + factors
        seen.append(other)
    if total is None or (is_dynamic and not found):
        return None
    return total, found, tensor


def _scale_name(quantizer: onnx.NodeProto | None) -> str:
    """The tensor with a quantizer's scale; empty where there is none."""
    if quantizer is None or quantizer.op_type not in QUANTIZERS:
        return ""
    names = quantizer.output if quantizer.op_type == "DynamicQuantizeLinear" else quantizer.input
    return names[1] if len(names) > 1 else ""


def _factors(graph: GraphView, tensor: str, channels: int) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """The constant factor of a scale, one value per channel, and the factors that are not constant."""
    producer = graph.producer(tensor)
    names = [tensor]
    if not graph.is_constant(tensor) and producer is not None and producer.op_type == "Mul":
        names = list(producer.input)
    scale: NDArray[Any] | None = None
    for name in names:
        if graph.is_constant(name) and scale is None:
            value = graph.constant(name)
            if value.size in (1, channels) and value.dtype.kind not in "OSUcb":
                scale = np.broadcast_to(value.astype(np.float32).ravel(), (channels,))
    return scale, tuple(name for name in names if not graph.is_constant(name))


def _bias(
    graph: GraphView, added: str, scale: NDArray[Any], factors: tuple[str, ...], channels: int
) -> NDArray[np.float32] | None:
    """The real value of what is added to the integers; None where it is unknown."""
    if graph.is_constant(added):
        codes = graph.constant(added)
        known = not any(factors) and codes.size in (1, channels) and codes.dtype.kind in "iuf"
        return (codes.astype(np.float32).ravel() * scale).astype(np.float32) if known else None
    producer = _producer_through(graph, added, BIAS_STEPS)
    if producer is None or producer.op_type != "Div" or len(producer.input) < 2:
        return None
    real, divisor = producer.input[:2]
    if not graph.is_constant(real):
        return None
    value = graph.constant(real)
    other, others = _factors(graph, divisor, channels)
    same = other is not None and np.array_equal(other, scale) and sorted(others) == sorted(factors)
    if not same or value.size not in (1, channels) or value.dtype.kind != "f":
        return None
    return np.broadcast_to(value.astype(np.float32).ravel(), (channels,))


def _scale_of_input(graph: GraphView, tensor: str) -> float:
    """The constant scale of the codes that a layer reads; 1 where there is none."""
    producer = _producer_through(graph, tensor, CARRIERS)
    if producer is None or producer.op_type != "QuantizeLinear" or len(producer.input) < 2:
        return 1.0
    try:
        scale = graph.constant(producer.input[1])
    except NotConstant:
        return 1.0
    return float(scale.ravel()[0]) or 1.0 if scale.size == 1 else 1.0


def _producer_through(graph: GraphView, tensor: str, passed: frozenset[str]) -> onnx.NodeProto | None:
    """The node that produces a tensor, looking through operators of `passed`."""
    producer = graph.producer(tensor)
    for _ in range(LONGEST):
        if producer is None or producer.op_type not in passed or not producer.input:
            break
        producer = graph.producer(producer.input[0])
    return producer


def _only_reader(graph: GraphView, tensor: str) -> onnx.NodeProto | None:
    readers = readers_of(graph, tensor)
    return readers[0] if len(readers) == 1 and readers[0].output and readers[0].output[0] else None
