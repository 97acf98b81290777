"""A graph without its weights: what onnx's checker and shape inference need, at no cost.

Both copy the whole model; with 553 MB of weights inside, shape inference takes 10 s and 2.7 GB.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.view.walk import STANDARD

LARGEST_KEPT = 256
"""Elements. Small tensors stay: shapes, axes and pads, which shape inference reads."""


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which every large weight has become an input of the same type and shape."""
    graph = model.graph
    slim = onnx.ModelProto(ir_version=max(model.ir_version, 4))  # from 4 on initializers need not be inputs
    slim.opset_import.extend(model.opset_import)
    slim.functions.extend(model.functions)
    slim.graph.name = graph.name or "graph"
    slim.graph.output.extend(graph.output)
    slim.graph.value_info.extend(graph.value_info)
    slim.graph.input.extend(graph.input)
    for value in (*slim.graph.input, *slim.graph.output, *slim.graph.value_info):
        _free(value)
    declared = {value.name for value in graph.input}
    weights: list[tuple[str, onnx.TensorProto]] = []
    for tensor in graph.initializer:
        if _is_large(tensor):
            weights.append((tensor.name, tensor))
        else:
            slim.graph.initializer.append(tensor)
    slim.graph.sparse_initializer.extend(graph.sparse_initializer)
    for node in graph.node:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        constant = node.op_type == "Constant" and node.domain in STANDARD
        if constant and value is not None and _is_large(value) and node.output:
            weights.append((node.output[0], value))
        else:
            slim.graph.node.append(node)
    for name, tensor in weights:
        if name not in declared:
            info = onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
            slim.graph.input.append(info)
    return slim


def _free(value: onnx.ValueInfoProto) -> None:
    """Leave the sizes open that a file states as 0 or -1, which inference would reckon with."""
    for dim in value.type.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value <= 0:
            dim.ClearField("dim_value")


def _is_large(tensor: onnx.TensorProto) -> bool:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    return external or product(tensor.dims) > LARGEST_KEPT


def at_sizes(slim: onnx.ModelProto, sizes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """A copy of `slim` with inputs of the given sizes, and no shapes of the file's own behind them."""
    trial = onnx.ModelProto()
    trial.CopyFrom(slim)
    del trial.graph.value_info[:]
    for output in trial.graph.output:
        output.type.tensor_type.ClearField("shape")
    for value in trial.graph.input:
        if value.name in sizes:
            dims = value.type.tensor_type.shape
            del dims.dim[:]
            dims.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=size) for size in sizes[value.name])
    return trial


def inferred(slim: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with all shapes that can be told; where it contradicts itself, those behind are missing."""
    try:
        return sandbox.with_shapes(slim).graph
    except sandbox.Failed:  # shapes are a nicety
        return slim.graph
