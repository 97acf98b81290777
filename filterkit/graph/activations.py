"""What follows a convolution: a bias of its own, a batch norm, an activation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.batchnorm import read_batchnorm
from filterkit.graph.constants import NotConstant
from filterkit.graph.view import GraphView
from filterkit.graph.walk import STANDARD, attributes
from filterkit.records import BatchNorm

ACTIVATIONS = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "PRelu": "prelu", "Elu": "elu", "Selu": "selu",
    "Celu": "celu", "Gelu": "gelu", "Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid", "Swish": "silu",
    "HardSwish": "hard_swish", "Mish": "mish", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Softmax": "softmax", "LogSoftmax": "log_softmax", "ThresholdedRelu": "thresholded_relu",
}  # fmt: skip
GATES = {("Sigmoid",): "silu", ("HardSigmoid",): "hard_swish", ("Softplus", "Tanh"): "mish"}
"""Activations of the form x * f(x), by the operators of f."""

PASSED = ("Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, slots=True)
class Tail:
    """What was found behind a layer.

    Attributes
    ----------
    bias
        Constant that is added behind the layer, shape (out_channels,), where it has none itself; else None.
    pre_tensor, post_tensor, pre_layout, post_layout, activation, batchnorm
        As in `FilterBank`.
    """

    bias: NDArray[np.generic] | None
    pre_tensor: str
    pre_layout: str
    post_tensor: str
    post_layout: str
    activation: str | None
    batchnorm: BatchNorm | None = None


def follow(graph: GraphView, tensor: str, layout: str, channels: int, *, has_bias: bool) -> Tail:
    """Go on from a layer's output as long as it is read by one node alone: what an extractor tells of it.

    Parameters
    ----------
    graph
        The graph that holds the layer's node.
    tensor, layout
        The layer's output and its axes, e.g. ``"NCHW"``.
    channels
        Number of output channels.
    has_bias
        Whether the node has a bias itself; otherwise a constant added behind it is its bias.
    """
    bias: NDArray[np.generic] | None = None
    pre, pre_layout = tensor, layout
    may_be_bias = not has_bias
    batchnorm: BatchNorm | None = None
    is_bare = True  # nothing so far but the convolution and its bias: only then a batch norm can be folded
    while True:
        found = _activation(graph, tensor)
        if found is not None:
            post, activation = found
            return Tail(bias, pre, pre_layout, post, layout, activation, batchnorm)
        readers = graph.consumers(tensor)
        node = readers[0] if len(readers) == 1 else None
        if node is None or node.domain not in STANDARD or not node.output or not node.output[0]:
            break
        if node.op_type == "Transpose":
            perm = attributes(node).get("perm", range(len(layout))[::-1])
            if sorted(perm) != list(range(len(layout))):
                break
            layout = "".join(layout[axis] for axis in perm)
        elif node.op_type == "BatchNormalization":
            if node.input[:1] != [tensor] or layout.index("C") != 1:
                break
            if is_bare:
                batchnorm = read_batchnorm(graph, node, layout, channels)
            may_be_bias = is_bare = False
        elif node.op_type in ("Add", "Sub", "Mul", "Div"):
            added = _per_channel(graph, node, tensor, layout, channels)
            if added is None:
                break
            if may_be_bias and node.op_type == "Add":
                bias, pre, pre_layout = added, node.output[0], layout
            else:
                is_bare = False
            may_be_bias = False
        elif node.op_type == "Slice":  # Keras pads transposed convolutions by cutting off
            if node.input[:1] != [tensor] or not _leaves_channels(graph, node, layout):
                break
        elif node.op_type not in PASSED or node.input[:1] != [tensor]:
            break
        tensor = node.output[0]
    return Tail(bias, pre, pre_layout, pre, pre_layout, None, batchnorm)


def _activation(graph: GraphView, tensor: str) -> tuple[str, str] | None:
    """The activation that alone reads `tensor`: its output and its name."""
    readers = graph.consumers(tensor)
    if len(readers) == 1:
        node = readers[0]
        if node.op_type in ACTIVATIONS and node.input[:1] == [tensor] and node.output:
            return node.output[0], ACTIVATIONS[node.op_type]
        if node.op_type == "Clip" and node.domain in STANDARD and node.input[:1] == [tensor]:
            return node.output[0], _clip_name(graph, node)
    if len(readers) == 2:
        return _gate(graph, tensor, readers)
    return None


def _gate(graph: GraphView, tensor: str, readers: tuple[onnx.NodeProto, ...]) -> tuple[str, str] | None:
    """x * f(x), with `tensor` as x."""
    product = next((node for node in readers if node.op_type == "Mul"), None)
    if product is None or len(product.input) != 2:
        return None
    node = next(node for node in readers if node is not product)
    operators: list[str] = []
    while len(node.input) == 1 and node.output:
        operators += [node.op_type] if node.op_type not in PASSED else []
        behind = graph.consumers(node.output[0])
        if len(behind) != 1 or len(operators) > 2:
            return None
        if behind[0] is product:
            name = GATES.get(tuple(operators))
            return (product.output[0], name) if name else None
        node = behind[0]
    return None


def _clip_name(graph: GraphView, node: onnx.NodeProto) -> str:
    """Clip's bounds are attributes before opset 11 and inputs since."""
    values = attributes(node)
    bounds = [values.get("min", -np.inf), values.get("max", np.inf)]
    for place, name in enumerate(node.input[1:3]):
        if name:
            try:
                bounds[place] = float(graph.constant(name).ravel()[0])
            except (NotConstant, IndexError, ValueError, TypeError):
                return "clip"
    if not all(isinstance(bound, float) for bound in bounds):  # no attributes of Clip since opset 11
        return "clip"
    if bounds[0] == 0:
        return "relu6" if bounds[1] == 6 else "relu" if bounds[1] > 1e30 else "clip"
    return "clip"


def _leaves_channels(graph: GraphView, node: onnx.NodeProto, layout: str) -> bool:
    """Whether a Slice cuts along the spatial axes only."""
    values = attributes(node)
    if len(node.input) > 3 and node.input[3]:
        if not graph.is_constant(node.input[3]):
            return False
        axes = graph.constant(node.input[3]).ravel().tolist()
    else:
        axes = values.get("axes", range(len(layout)))
    if not isinstance(axes, Iterable) or not all(isinstance(axis, int) for axis in axes):
        return False
    return all(-len(layout) <= axis < len(layout) and layout[axis] not in "NC" for axis in axes)


def _per_channel(
    graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str, channels: int
) -> NDArray[np.generic] | None:
    """The constant that the node combines with `tensor`, one value per channel; None if it is none."""
    others = [name for name in node.input if name != tensor]
    if len(node.input) != 2 or len(others) != 1 or not graph.is_constant(others[0]):
        return None
    if node.op_type in ("Sub", "Div") and node.input[:1] != [tensor]:
        return None
    try:
        constant = graph.constant(others[0])
    except NotConstant:
        return None
    if constant.ndim > len(layout) or constant.dtype.kind not in "fiu":
        return None
    shape = (1,) * (len(layout) - constant.ndim) + constant.shape
    axis = layout.index("C")
    if shape[axis] not in (1, channels) or any(size != 1 for a, size in enumerate(shape) if a != axis):
        return None
    return np.broadcast_to(constant.ravel(), (channels,))
