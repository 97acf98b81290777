"""What follows a convolution: its own bias, batch norm (and folding it), another norm, an activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit import budget
from filterkit.graph.layers.activation_nodes import Found, by_operator, by_values, may_be_refined
from filterkit.graph.layers.channel_activations import channel_activation, keeps_all_channels
from filterkit.graph.layers.constant_operands import aligned
from filterkit.graph.layers.elementwise import FLOATING, OPERATIONS
from filterkit.graph.layers.elementwise_regions import MOST_NODES, readers_of
from filterkit.graph.layers.layout_changes import LAYOUT_OPERATORS, layout_after
from filterkit.graph.layers.norms import norm_after
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes
from filterkit.records import BatchNorm, FilterBank

if TYPE_CHECKING:
    from filterkit.records import FloatArray

VALUE_PRESERVING = ("Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear")
"""Operators that do not change the values."""
AFFINE = ("Add", "Sum", "Sub", "Mul", "Div")

MOST_STEPS = 128
"""Number of nodes after a layer that are followed."""
MOST_TRIES = 4
"""Number of these nodes at which a formula of several nodes is searched for, by evaluating them; and as many
again that add or multiply by a single number, as the first node of a formula may."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows a layer.

    Attributes
    ----------
    bias
        Constant that is added after the layer, shape (out_channels,), if its node has no bias; else None.
    pre_tensor, post_tensor, pre_layout, post_layout, activation, batchnorm, norm
        As in `FilterBank`.
    """

    bias: NDArray[np.generic] | None
    pre_tensor: str
    pre_layout: str
    post_tensor: str
    post_layout: str
    activation: str | None
    batchnorm: BatchNorm | None = None
    norm: str | None = None


def follow(graph: GraphView, tensor: str, layout: str, channels: int, *, has_bias: bool) -> Tail:
    """Follow a layer's output up to its activation, as long as everything that reads it leads to one tensor.

    Parameters
    ----------
    graph
        The graph that contains the layer's node.
    tensor, layout
        The layer's output and its axes, e.g. ``"NCHW"``.
    channels
        Number of output channels.
    has_bias
        Whether the node itself has a bias. Otherwise a constant that is added after it is its bias, unless it
        is part of an activation, like the 3 of ``clip(x + 3, 0, 6) / 6``.
    """
    bias: NDArray[np.generic] | None = None
    pre, pre_layout = tensor, layout
    may_be_bias = not has_bias
    batchnorm: BatchNorm | None = None
    norm: str | None = None
    is_bare = True  # only bias so far: a batch norm can be folded
    mirrored = False
    seen: dict[str, str] = {}
    tries = {True: MOST_TRIES, False: MOST_TRIES}  # by whether the node is a scale or a shift
    for _ in range(MOST_STEPS):
        budget.step("finding the activation after '{}'", tensor)
        readers = readers_of(graph, tensor)
        if not 0 < len(readers) <= MOST_NODES:
            break
        seen[tensor] = layout
        found = by_operator(graph, tensor, readers)
        if found is not None and may_be_refined(graph, found):
            found = by_values(graph, tensor, layout, channels)[0] or found
        only = _only_reader(graph, tensor)
        added = None
        if found is None and only is not None and only.domain in STANDARD:
            new_layout = _layout_after_copy(graph, only, tensor, layout, channels)
            new_layout = new_layout or _restored_layout(graph, only, layout, seen)
            if new_layout is not None:
                tensor, layout = only.output[0], new_layout
                continue
            if only.op_type == "BatchNormalization":
                if only.input[:1] != [tensor] or layout.index("C") != 1:
                    break
                if is_bare:
                    batchnorm = read_batchnorm(graph, only, layout, channels)
                tensor = only.output[0]
                may_be_bias = is_bare = False
                continue
            added = _affine_constant(graph, only, tensor, layout, channels)
        is_plain = added is not None and _belongs_to_layer(added)
        is_affine = added is not None
        may_begin = tries[is_affine] and not (
            is_affine and only is not None and _scales_follow(graph, only.output[0], layout, channels)
        )
        if found is None and not is_plain and may_begin and all(map(_may_be_part, readers)):
            tries[is_affine] -= 1
            found, mirrored_pair = by_values(graph, tensor, layout, channels)
            if found is None and mirrored_pair is not None and not mirrored:
                mirrored, tensor, channels = True, mirrored_pair, 2 * channels
                may_be_bias = is_bare = False
                continue
        if found is None and not is_plain:
            found = channel_activation(graph, tensor, layout, channels, readers)
            between = norm_after(graph, tensor, layout, channels, readers) if found is None else None
            if between is not None:
                norm, tensor = norm or between.name, between.tensor
                may_be_bias = is_bare = False
                if between.activation is None:
                    continue
                found = Found(tensor, between.activation)
        if found is not None:
            name = {"relu": "crelu"}.get(found.name) if mirrored else found.name
            if name is None:
                break
            return Tail(bias, pre, pre_layout, found.tensor, layout, name, batchnorm, norm)
        if added is None and norm is not None and only is not None:
            if not _is_affine_map(graph, only, tensor, layout, channels):
                break
            added = np.ones(())
        if added is None or only is None:
            break
        tensor = only.output[0]
        if may_be_bias and only.op_type in ("Add", "Sum", "Sub"):
            shift = np.asarray(np.negative(added)) if only.op_type == "Sub" else added
            bias, pre, pre_layout = np.broadcast_to(shift, (channels,)), tensor, layout
        else:
            is_bare = False
        may_be_bias = False
    return Tail(bias, pre, pre_layout, pre, pre_layout, None, batchnorm, norm)


def _layout_after_copy(
    graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str, channels: int
) -> str | None:
    """The layout after a node that does not change the values; None for other nodes."""
    if node.op_type in LAYOUT_OPERATORS:
        return layout_after(graph, node, tensor, layout)
    if node.op_type == "Slice":  # Keras crops transposed convolutions
        return (
            layout
            if node.input[:1] == [tensor] and keeps_all_channels(graph, node, layout, channels)
            else None
        )
    if node.op_type not in VALUE_PRESERVING or node.input[:1] != [tensor]:
        return None
    return layout if node.op_type != "Cast" or attributes(node).get("to") in FLOATING else None


def _restored_layout(
    graph: GraphView, node: onnx.NodeProto, layout: str, seen: Mapping[str, str]
) -> str | None:
    """The layout after a Reshape to the shape of a tensor that was `seen` before."""
    producer = graph.producer(node.input[1]) if node.op_type == "Reshape" and len(node.input) > 1 else None
    if producer is None or producer.op_type != "Shape" or attributes(producer):
        return None
    before = seen.get(producer.input[0])
    return before if before is not None and before[:2] == layout[:2] == "NC" else None


def _may_be_part(node: onnx.NodeProto) -> bool:
    """Whether an activation of several nodes may begin with this one."""
    return node.op_type in OPERATIONS or node.op_type in ("Concat", "QLinearAdd", "QLinearMul")


def _belongs_to_layer(constant: NDArray[np.generic]) -> bool:
    """Whether a constant is certainly the layer's bias or scale.

    A single number other than 0 may also be part of the formula of an activation.
    """
    return not constant.any() or (constant.ndim == 1 and bool(np.any(constant != constant[0])))


def _scales_follow(graph: GraphView, tensor: str, layout: str, channels: int) -> bool:
    """Whether no formula can begin before a tensor.

    That is so where one of the layer's own scales or shifts follows, or more by single numbers than any
    formula has.
    """
    for _ in range(MOST_TRIES):
        node = _only_reader(graph, tensor)
        for _ in range(MOST_TRIES):
            new_layout = None if node is None else _layout_after_copy(graph, node, tensor, layout, channels)
            if node is None or new_layout is None:
                break
            tensor, layout = node.output[0], new_layout
            node = _only_reader(graph, tensor)
        added = _affine_constant(graph, node, tensor, layout, channels) if node is not None else None
        if added is None or node is None:
            return False
        if _belongs_to_layer(added):
            return True
        tensor = node.output[0]
    return True


def _only_reader(graph: GraphView, tensor: str) -> onnx.NodeProto | None:
    readers = readers_of(graph, tensor)
    return readers[0] if len(readers) == 1 and readers[0].output and readers[0].output[0] else None


def _affine_constant(
    graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str, channels: int
) -> NDArray[np.generic] | None:
    """The constant that an affine node combines with `tensor`: one number, or one per channel."""
    others = [name for name in node.input if name != tensor]
    if node.op_type not in AFFINE or not others or len(others) != len(node.input) - 1:
        return None
    if (node.op_type != "Sum" and len(others) > 1) or len(others) > MOST_NODES:
        return None
    if node.op_type in ("Sub", "Div") and node.input[:1] != [tensor]:
        return None
    total: NDArray[np.generic] | None = None
    for name in others:
        constant = aligned(graph, node, name, layout, channels)
        if constant is None or constant.dtype.kind not in "fiu":
            return None
        total = constant if total is None else np.asarray(np.add(total, constant))
    return total


def _is_affine_map(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str, channels: int) -> bool:
    """Whether a node scales or shifts by a constant that differs by position, as layer norms do."""
    others = [name for name in node.input if name != tensor]
    if node.op_type not in ("Mul", "Add") or len(node.input) != 2 or len(others) != 1:
        return False
    shape = graph.shape(others[0]) if graph.is_constant(others[0]) else None
    if shape is None or len(shape) > len(layout) or graph.opset < 7:
        return False
    sizes = dict(zip(layout[::-1], shape[::-1], strict=False))
    return sizes.get("N", 1) == 1 and sizes.get("C", 1) in (1, channels)


def read_batchnorm(graph: GraphView, node: onnx.NodeProto, layout: str, channels: int) -> BatchNorm | None:
    """Read the scale and shift of a BatchNormalization node; None where they are not constant.

    ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`` (ONNX, operator BatchNormalization), computed
    in float64.
    """
    values = attributes(node)
    if values.get("training_mode", 0) or len(node.input) < 5:
        return None
    try:
        arrays = [graph.constant(name) for name in node.input[1:5]]
        if any(array.dtype.kind in "OSUcb" for array in arrays):
            return None
        gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    except (NotConstant, ValueError, TypeError):
        return None
    if any(array.shape != (channels,) for array in (gamma, beta, mean, variance)):
        return None
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + values.get("epsilon", 1e-5))
        shift = beta - mean * scale
        return BatchNorm(scale.astype(np.float32), shift.astype(np.float32), node.output[0], layout)


def fold_batchnorm(bank: FilterBank) -> FilterBank:
    """Fold the batch norm that follows a convolution into its bank; without one, return the bank unchanged.

    Weights and bias are multiplied by the scale of their channel, and the shift is added to the bias. The
    bank's *pre* tensor is then the batch norm's output.
    """
    norm = bank.batchnorm
    if norm is None or norm.folded:
        return bank
    with np.errstate(all="ignore"):
        factor = norm.scale.reshape(-1, *(1,) * (bank.weights.ndim - 1))
        weights: FloatArray = (bank.weights * factor).astype(bank.weights.dtype)
        bias: FloatArray = norm.shift if bank.bias is None else bank.bias * norm.scale + norm.shift
    alone = bank.post_tensor == bank.pre_tensor
    return replace(
        bank,
        weights=weights,
        bias=bias.astype(bank.weights.dtype),
        pre_tensor=norm.tensor,
        pre_layout=norm.layout,
        post_tensor=norm.tensor if alone else bank.post_tensor,
        post_layout=norm.layout if alone else bank.post_layout,
        batchnorm=replace(norm, folded=True),
    )
