"""Recognize the activation after a tensor: a single node, or several that compute it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.layers.activation_formulas import name_of, samples
from filterkit.graph.layers.constant_operands import aligned, at_positions, fill_value
from filterkit.graph.layers.elementwise import CONDITIONS, OPERATIONS, apply, operands
from filterkit.graph.layers.elementwise_regions import Region, Values, readers_of, regions
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

ACTIVATIONS = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "PRelu": "prelu", "Elu": "elu", "Selu": "selu",
    "Celu": "celu", "Gelu": "gelu", "Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid", "Swish": "silu",
    "HardSwish": "hard_swish", "Mish": "mish", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Softmax": "softmax", "LogSoftmax": "log_softmax", "ThresholdedRelu": "thresholded_relu",
    "QuickGelu": "quick_gelu", "FastGelu": "gelu", "QLinearSigmoid": "sigmoid",
    "QLinearLeakyRelu": "leaky_relu",
}  # fmt: skip
"""Names of activations by operator, of ONNX and of ONNX Runtime."""

REFINEMENTS: dict[str, frozenset[str]] = {
    "relu": frozenset({"relu6", "clip"}),
    "clip": frozenset({"relu6", "clip", "hard_sigmoid"}),
    "sigmoid": frozenset({"tanh", "log_sigmoid"}),
    "elu": frozenset({"selu"}),
}
"""What an activation may become with the nodes after it: a ReLU followed by ``Min(6)`` is a ReLU6."""


UNBOUNDED = -1e30
"""A lower bound of at most this is no bound: exporters write the lowest float32."""


class Found(NamedTuple):
    """The output of an activation, and the activation's name."""

    tensor: str
    name: str


def by_operator(graph: GraphView, tensor: str, readers: Sequence[onnx.NodeProto]) -> Found | None:
    """The activation that is a single operator; exporters may repeat its node for each reader."""
    node = readers[0]
    if len(readers) > 1 and not all(_is_same(node, other) for other in readers[1:]):
        return None
    if node.input[:1] != [tensor] or not node.output or not node.output[0]:
        return None
    if node.op_type == "Clip" and node.domain in STANDARD:
        clip = clip_name(graph, node)
        return Found(node.output[0], clip) if clip is not None else None
    if node.op_type == "FastGelu" and len(node.input) > 1:  # it adds a bias first
        return None
    known = ACTIVATIONS.get(node.op_type)
    if known == "silu" and node.op_type == "Swish":
        known = _swish_name(attributes(node).get("alpha", 1.0))
    if known in ("leaky_relu", "prelu", "thresholded_relu"):
        known = _name_by_slope(graph, node) or known
    return Found(node.output[0], known) if known is not None else None


def by_values(graph: GraphView, tensor: str, layout: str, channels: int) -> tuple[Found | None, str | None]:
    """The activation that several nodes compute, and the output of a Concat of ``x`` and ``-x``, if any.

    It is the first tensor that is a known activation of `tensor` alone, or a later one that is a refinement
    of it.
    """
    positional: list[str] = []

    def read(node: onnx.NodeProto, name: str) -> NDArray[Any] | None:
        constant = aligned(graph, node, name, layout, channels)
        if constant is None and graph.is_constant(name):
            positional.append(name)
        return constant

    found, mirrored = _first_known(regions(graph, {tensor: samples()}, layout, read))
    if found is None and mirrored is None and positional:  # Keras gives PReLU a slope for every position

        def anywhere(node: onnx.NodeProto, name: str) -> NDArray[Any] | None:
            return at_positions(graph, node, name, len(layout))

        found, _ = _first_known(regions(graph, {tensor: samples()}, layout, anywhere))
    return found, mirrored


def _first_known(candidates: Iterable[Region]) -> tuple[Found | None, str | None]:
    found: Found | None = None
    mirrored: str | None = None
    for region in candidates:
        if region.op in CONDITIONS:
            continue
        name = _joined_name(region) if region.joined > 1 else name_of(region.values)
        if region.joined == 2 and mirrored is None and _is_mirrored(region.values):
            mirrored = region.tensor
        if name is not None and (found is None or name in REFINEMENTS.get(found.name, ())):
            found = Found(region.tensor, name)
        elif found is not None and found.name not in REFINEMENTS:
            break
    return found, mirrored


def may_be_refined(graph: GraphView, found: Found) -> bool:
    """Whether the nodes that follow could turn the activation into another one of `REFINEMENTS`."""
    if found.name not in REFINEMENTS:
        return False
    return all(
        node.op_type in OPERATIONS
        and (
            len(node.input) == 1
            or any(
                name != found.tensor and (graph.is_constant(name) or fill_value(graph, name) is not None)
                for name in node.input
            )
        )
        for node in readers_of(graph, found.tensor)
    )


def _name_by_slope(graph: GraphView, node: onnx.NodeProto) -> str | None:
    """``relu`` or ``abs``, if a node's constant slope below zero is 0 or -1; else None."""
    op, names = operands(node)
    inputs: list[Any] = [samples()]
    for name in names[1:]:
        try:
            slope = graph.constant(name)
        except NotConstant:
            return None
        if slope.dtype.kind not in "fiu" or not slope.size or np.any(slope != slope.flat[0]):
            return None
        inputs.append(float(slope.flat[0]))
    result = apply(op, attributes(node), inputs)
    found = name_of(result) if result is not None and np.shape(result) == samples().shape else None
    return found if found in ("relu", "abs") else None


def clip_name(graph: GraphView, node: onnx.NodeProto) -> str | None:
    """Name of a Clip by its bounds (attributes before opset 11, inputs since); None where it has none."""
    values = attributes(node)
    bounds = [values.get("min", -np.inf), values.get("max", np.inf)]
    for index, name in enumerate(node.input[1:3]):
        if name:
            try:
                stated = graph.constant(name)
                bounds[index] = None if stated.dtype.kind in "OSUcb" else float(stated.ravel()[0])
            except (NotConstant, IndexError, ValueError, TypeError):
                return "clip"
    if not all(
        isinstance(bound, float) for bound in bounds
    ):  # unchecked attributes: not those of a Clip since opset 11
        return "clip"
    if bounds[0] <= UNBOUNDED and bounds[1] >= -UNBOUNDED:
        return None
    if bounds[0] == 0:
        return "relu6" if bounds[1] == 6 else "relu" if bounds[1] > 1e30 else "clip"
    return "clip"


def _swish_name(factor: object) -> str:
    if not isinstance(factor, float) or abs(factor - 1) < 0.005:
        return "silu"
    return "quick_gelu" if abs(factor - 1.702) < 0.005 else "swish"


def _is_same(one: onnx.NodeProto, other: onnx.NodeProto) -> bool:
    return (
        (one.op_type, one.domain) == (other.op_type, other.domain)
        and one.input == other.input
        and one.attribute == other.attribute
    )


def _joined_name(region: Region) -> str | None:
    """CReLU: ``relu(x)`` and ``relu(-x)``, concatenated."""
    return "crelu" if _are_mirrored(region.values) and name_of(region.values[:1]) == "relu" else None


def _are_mirrored(values: Values) -> bool:
    return len(values) == 2 and np.array_equal(values[0], values[1][::-1])


def _is_mirrored(values: Values) -> bool:
    """Whether the two rows are ``x`` and ``-x``, in this order."""
    return _are_mirrored(values) and np.array_equal(values[0], samples()[0])
