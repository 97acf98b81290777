"""Dequantize outputs, and cast them to types that NumPy has."""

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
"""By domain and operator: the indices of the inputs with scale and zero point of the first output."""

SCALE_PRESERVING = frozenset(
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
"""Operators whose first output has the scale and zero point of their first input."""

UNCHANGED = frozenset({TensorProto.UNDEFINED, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
"""Types of outputs that are not cast."""


def dequantize_outputs(model: ModelProto) -> list[str]:
    """Convert the graph's outputs to floating-point types that NumPy has.

    A quantized output becomes ``(value - zero_point) * scale``, with the scale and zero point of the operator
    that produces it. Integers (int32 accumulators) and types that NumPy lacks (bfloat16, float8) are cast to
    float32.

    Parameters
    ----------
    model
        Changed in place.

    Returns
    -------
    list of str
        The new names of the outputs, in their order.
    """
    graph = model.graph
    types = {
        output.name: output.type.tensor_type.elem_type for output in inferred(without_weights(model)).output
    }
    names = [output.name for output in graph.output]
    for place, name in enumerate(names):
        renamed = f"{name} as numbers"
        node = dequantizing_node(model, graph, name, renamed)
        if node is None and types.get(name, TensorProto.UNDEFINED) not in UNCHANGED:
            node = float32_cast(name, renamed)
        if node is not None:
            graph.node.append(node)
            graph.output[place].CopyFrom(ValueInfoProto(name=renamed))
            names[place] = renamed
    return names


def dequantizing_node(model: ModelProto, graph: GraphProto, name: str, output: str) -> NodeProto | None:
    """A node that dequantizes the tensor `name` of `graph` (a body or the main graph); None if it is not
    quantized."""
    producers = {each: node for node in graph.node for each in node.output if each}
    quantization = _quantization(producers, name)
    if quantization is None:
        return None
    domain = "" if opset_of(model) >= 10 else "com.microsoft"
    return helper.make_node("DequantizeLinear", [name, *quantization], [output], domain=domain)


def float32_cast(name: str, output: str) -> NodeProto:
    """A node that casts the tensor `name` to float32."""
    return helper.make_node("Cast", [name], [output], to=TensorProto.FLOAT)


def _quantization(producers: Mapping[str, NodeProto], name: str) -> list[str] | None:
    """The scale and zero point tensors of `name`; None if it is not quantized."""
    node = producers.get(name)
    while node is not None and node.op_type in SCALE_PRESERVING and node.input and node.output[0] == name:
        name = node.input[0]
        node = producers.get(name)
    if node is None or node.output[0] != name:
        return None
    places = QUANTIZERS.get((node.domain.removeprefix("ai.onnx"), node.op_type))
    if places is None:
        return None
    return [node.input[place] for place in places if place < len(node.input)]
