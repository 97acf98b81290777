"""Outputs that numpy can hold, in the units of the network: quantized tensors become real numbers."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from filterkit.graph.view.skeleton import inferred, without_weights
from filterkit.graph.view.walk import opset_of

QUANTIZERS = {
    ("", "QLinearConv"): (6, 7),
    ("", "QuantizeLinear"): (1, 2),
    **{
        ("com.microsoft", operator): places
        for operator, places in {
            "QLinearConv": (6, 7),
            "QuantizeLinear": (1, 2),
            "QLinearAdd": (6, 7),
            "QLinearMul": (6, 7),
            "QLinearLeakyRelu": (3, 4),
            "QLinearSigmoid": (3, 4),
            "QLinearAveragePool": (3, 4),
            "QLinearGlobalAveragePool": (3, 4),
        }.items()
    },
}
"""By domain and operator: which inputs hold the scale and the zero point of the first output."""

KEEPERS = frozenset(
    {
        "Identity",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "MaxPool",
        "Relu",
        "Clip",
    }
)
"""Operators that leave scale and zero point of their first input as they are."""

LEFT = frozenset({TensorProto.UNDEFINED, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
"""Types of outputs that stay as they are."""


def make_readable(model: ModelProto) -> list[str]:
    """Turn the graph's outputs into floating-point numbers that ONNX Runtime hands to numpy.

    A quantized tensor is ``(value - zero_point) * scale``, with the scale and zero point that the operator
    which made it was given. Sums of products (int32) and types that numpy lacks (bfloat16, float8) are cast
    to float32.

    Parameters
    ----------
    model
        Changed in place.

    Returns
    -------
    list of str
        The outputs' names now, in their order.
    """
    graph = model.graph
    types = {
        output.name: output.type.tensor_type.elem_type for output in inferred(without_weights(model)).output
    }
    names = [output.name for output in graph.output]
    for place, name in enumerate(names):
        readable = f"{name} as numbers"
        node = as_numbers(model, graph, name, readable)
        if node is None and types.get(name, TensorProto.UNDEFINED) not in LEFT:
            node = to_float32(name, readable)
        if node is not None:
            graph.node.append(node)
            graph.output[place].CopyFrom(ValueInfoProto(name=readable))
            names[place] = readable
    return names


def as_numbers(model: ModelProto, graph: GraphProto, name: str, output: str) -> NodeProto | None:
    """The node that dequantizes the tensor `name`, which `graph`, a body or the main one, makes; None where
    it is not quantized."""
    makers = {made: node for node in graph.node for made in node.output if made}
    quantization = _quantization(makers, name)
    if quantization is None:
        return None
    domain = "" if opset_of(model) >= 10 else "com.microsoft"
    return helper.make_node("DequantizeLinear", [name, *quantization], [output], domain=domain)


def to_float32(name: str, output: str) -> NodeProto:
    """The node that casts the tensor `name`."""
    return helper.make_node("Cast", [name], [output], to=TensorProto.FLOAT)


def _quantization(makers: Mapping[str, NodeProto], name: str) -> list[str] | None:
    """The tensors that hold scale and zero point of `name`, where it is quantized."""
    node = makers.get(name)
    while node is not None and node.op_type in KEEPERS and node.input and node.output[0] == name:
        name = node.input[0]
        node = makers.get(name)
    if node is None or node.output[0] != name:
        return None
    places = QUANTIZERS.get((node.domain.removeprefix("ai.onnx"), node.op_type))
    if places is None:
        return None
    return [node.input[place] for place in places if place < len(node.input)]
