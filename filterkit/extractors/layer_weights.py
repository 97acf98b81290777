"""Weights and biases of one convolution node as floats, dequantized where necessary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.extractors.convolution_operators import Codes, Form
from filterkit.graph.layers.layers import Unresolved
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView

if TYPE_CHECKING:
    from filterkit.records import FloatArray


def read_weight(graph: GraphView, node: onnx.NodeProto, form: Form) -> FloatArray:
    """The weight in the file's axis order; the codes of a quantized one as float32.

    Raises
    ------
    Unresolved
        If it is not constant.
    """
    name = given(node, form.weight)
    if not name:
        raise Unresolved("the node has no weight")
    if form.codes is None:
        return float_array(graph, name, "the weight")
    return known(graph, name, "the weight").astype(np.float32)


def dequantized(graph: GraphView, node: onnx.NodeProto, codes: Codes, weight: FloatArray) -> FloatArray:
    """Dequantize the codes in `weight`, output channels first; without a scale for ConvInteger.

    Raises
    ------
    Unresolved
        If scale or zero point are missing, not constant, or do not match the output channels.
    """
    zero = _optional(graph, node, codes.zero, "the weight's zero point")
    scale = _optional(graph, node, codes.scale, "the weight's scale")
    if scale is None and codes.scale is not None:
        raise Unresolved("the weight has no scale")
    if zero is not None:
        weight = weight - _along_first(zero, weight.shape, "zero point")
    if scale is not None:
        weight = weight * _along_first(scale, weight.shape, "scale")
    return weight


def read_bias(graph: GraphView, node: onnx.NodeProto, form: Form, channels: int) -> FloatArray | None:
    """The bias of the node itself, one value per output channel, or None.

    A quantized bias has the scale of the input times that of the weight (ONNX, QLinearConv).
    """
    name = given(node, form.bias)
    if not name:
        return None
    bias = float_array(graph, name, "the bias")
    if bias.shape != (channels,):
        raise Unresolved("the bias does not have one value per output channel")
    if form.codes is None:
        return bias
    return bias * _bias_scale(graph, node, form.codes, bias.shape)


def _bias_scale(
    graph: GraphView, node: onnx.NodeProto, codes: Codes, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    scales = [
        _optional(graph, node, codes.input_scale, "the input's scale"),
        _optional(graph, node, codes.scale, "the weight's scale"),
    ]
    product = np.ones(shape, np.float32)
    for scale in scales:
        if scale is not None:
            product *= _along_first(scale, shape, "scale")
    return product


def given(node: onnx.NodeProto, place: int | None) -> str:
    """Name of an input; empty if omitted."""
    return node.input[place] if place is not None and place < len(node.input) else ""


def known(graph: GraphView, tensor: str, what: str) -> NDArray[Any]:
    """The value of a constant; raises Unresolved if it is not one."""
    try:
        value = graph.constant(tensor)
    except NotConstant as error:
        raise Unresolved(f"{what} is {error.reason}") from error
    if value.dtype.kind in "OSUcb":
        raise Unresolved(f"{what} is not numeric")
    return value


def float_array(graph: GraphView, tensor: str, what: str) -> FloatArray:
    return as_float(known(graph, tensor, what))


def as_float(value: NDArray[Any]) -> FloatArray:
    """Convert to float32, except float16; returns the same array if nothing changes."""
    if value.dtype in (np.float16, np.float32) and value.dtype.isnative and value.flags.c_contiguous:
        return cast("FloatArray", value)
    if value.dtype in (np.float16, np.float32):
        return cast("FloatArray", np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    with np.errstate(over="ignore"):
        return cast("FloatArray", np.ascontiguousarray(value.astype(np.float32)))


def _optional(
    graph: GraphView, node: onnx.NodeProto, place: int | None, what: str
) -> NDArray[np.float32] | None:
    name = given(node, place)
    return known(graph, name, what).astype(np.float32) if name else None


def _along_first(values: NDArray[np.float32], shape: tuple[int, ...], what: str) -> NDArray[np.float32]:
    """A scalar or one value per output channel, reshaped to broadcast against an array of `shape`."""
    if values.size == 1:
        return values.reshape(())
    if not shape or values.shape != shape[:1]:
        raise Unresolved(f"the weight's {what} does not match its shape")
    return values.reshape(-1, *(1,) * (len(shape) - 1))
