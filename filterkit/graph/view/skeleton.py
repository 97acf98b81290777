"""Skeletons: graphs without their weights, for onnx's checker and shape inference.

Both copy the whole model; with 553 MB of weights in it, shape inference takes 10 s and 2.7 GB.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from filterkit.geometry import product
from filterkit.graph.loading import sandbox
from filterkit.graph.view.walk import STANDARD

LARGEST_KEPT = 256
"""Elements. Small tensors are kept, since shape inference reads shapes, axes and pads."""


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` in which every large weight is replaced by an input of the same type and shape."""
    graph = model.graph
    skeleton = onnx.ModelProto(
        ir_version=max(model.ir_version, 4)
    )  # from 4 on initializers need not be inputs
    skeleton.opset_import.extend(model.opset_import)
    skeleton.functions.extend(model.functions)
    skeleton.graph.name = graph.name or "graph"
    skeleton.graph.output.extend(graph.output)
    skeleton.graph.value_info.extend(graph.value_info)
    skeleton.graph.input.extend(graph.input)
    for value in (*skeleton.graph.input, *skeleton.graph.output, *skeleton.graph.value_info):
        _clear_placeholder_sizes(value)
    declared = {value.name for value in graph.input}
    weights: list[tuple[str, onnx.TensorProto]] = []
    for tensor in graph.initializer:
        if _is_large(tensor):
            weights.append((tensor.name, tensor))
        else:
            skeleton.graph.initializer.append(tensor)
    skeleton.graph.sparse_initializer.extend(graph.sparse_initializer)
    for node in graph.node:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        constant = node.op_type == "Constant" and node.domain in STANDARD
        if constant and value is not None and _is_large(value) and node.output:
            weights.append((node.output[0], value))
        else:
            skeleton.graph.node.append(node)
    for name, tensor in weights:
        if name not in declared:
            info = onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
            skeleton.graph.input.append(info)
    return skeleton


def _clear_placeholder_sizes(value: onnx.ValueInfoProto) -> None:
    """Clear sizes that a file declares as 0 or less, which inference would compute with."""
    for dim in value.type.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value <= 0:
            dim.ClearField("dim_value")


def _is_large(tensor: onnx.TensorProto) -> bool:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    return external or product(tensor.dims) > LARGEST_KEPT


def at_sizes(skeleton: onnx.ModelProto, sizes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """A copy of `skeleton` with inputs of the given sizes, and without the shapes that the file declares."""
    trial = onnx.ModelProto()
    trial.CopyFrom(skeleton)
    del trial.graph.value_info[:]
    for output in trial.graph.output:
        output.type.tensor_type.ClearField("shape")
    for value in trial.graph.input:
        if value.name in sizes:
            dims = value.type.tensor_type.shape
            del dims.dim[:]
            dims.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=size) for size in sizes[value.name])
    return trial


def inferred(skeleton: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with all shapes that can be inferred; after an inconsistency, they are missing."""
    try:
        return sandbox.with_shapes(skeleton).graph
    except sandbox.Failed:  # shapes are optional
        return skeleton.graph
