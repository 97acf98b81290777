"""Replace CastLike by Cast: only the type of its second input matters, and that is usually declared.

Otherwise a constant that is cast to the type of the picture would appear to be computed from the picture.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping

import onnx

from filterkit.graph.view.constants import constant_type
from filterkit.graph.view.walk import STANDARD, bodies

_OF_FIRST_INPUT = frozenset(
    (
        *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat", "Pad"),
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Relu", "Sigmoid", "Tanh", "Clip"),
        *("LeakyRelu", "PRelu", "Elu", "Selu", "Softmax", "HardSigmoid", "HardSwish", "Softplus", "Erf"),
        *("Add", "Sub", "Mul", "Div", "Pow", "Neg", "Abs", "Sqrt", "Exp", "Log", "Min", "Max", "Sum", "Mean"),
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample", "Dropout"),
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "Expand", "Tile", "Gather", "Split"),
        *(
            "DepthToSpace",
            "SpaceToDepth",
            "InstanceNormalization",
            "LayerNormalization",
            "GroupNormalization",
        ),
    )
)
"""Operators whose outputs have the type of their first input."""


def replace_cast_like(model: onnx.ModelProto) -> None:
    """Replace every CastLike whose target type is known by a Cast, in nested bodies as well."""
    if any(node.op_type == "CastLike" for node in _nodes(model.graph)):
        _replace_in(model.graph, {})


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = list(graph.node)
    for node in found:  # which grows during the iteration
        for body in bodies(node):
            found.extend(body.node)
    return found


def _replace_in(graph: onnx.GraphProto, outer: MutableMapping[str, int]) -> None:
    declared = (*graph.value_info, *graph.input, *graph.output)
    own = {value.name: value.type.tensor_type.elem_type for value in declared}
    own |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    types = ChainMap(own, outer)  # copies would take quadratic time where bodies are as many as names
    for node in graph.node:
        like = types.get(node.input[1], 0) if node.op_type == "CastLike" and len(node.input) > 1 else 0
        if like and node.domain in STANDARD:
            node.op_type = "Cast"
            node.input[:] = node.input[:1]
            node.attribute.append(onnx.helper.make_attribute("to", like))
        for output in filter(None, node.output):
            if not types.get(output):
                types[output] = _output_type(node, types)
        for body in bodies(node):
            _replace_in(body, types)


def _output_type(node: onnx.NodeProto, types: Mapping[str, int]) -> int:
    """The element type of a node's outputs; 0 where it is unknown."""
    if node.domain not in STANDARD:
        return 0
    if node.op_type == "Cast":
        return next((int(each.i) for each in node.attribute if each.name == "to"), 0)
    if node.op_type == "Constant":
        integers = any(each.name in ("value_int", "value_ints") for each in node.attribute)
        return int(onnx.TensorProto.INT64) if integers else constant_type(node)
    return types.get(node.input[0], 0) if node.input and node.op_type in _OF_FIRST_INPUT else 0
