"""Convert a model to recent standard operators, so that gradients may use them and rules know one form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from filterkit.errors import ModelError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import free_name, shown
from filterkit.graph.loading.sandbox_worker import RECENT_OPSET
from filterkit.graph.view.foldable import label
from filterkit.graph.view.shapes import without_weights
from filterkit.graph.view.walk import STANDARD, attributes, opset_of

IR_VERSION = 8
"""The first that may use `RECENT_OPSET`; see onnx/docs/Versioning.md."""


def upgrade(model: ModelProto) -> None:
    """Convert the standard operators of a model to `RECENT_OPSET`, if they are older.

    Parameters
    ----------
    model
        Changed in place. Its weights are neither read nor copied.

    Raises
    ------
    ModelError
        onnx cannot convert an operator.
    """
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    for place in reversed(range(len(graph.input))):
        if graph.input[place].name in stored:  # an old form, with which a constant could be replaced
            del graph.input[place]
    model.ir_version = max(model.ir_version, IR_VERSION)
    if any(node.op_type == "FusedConv" for node in graph.node):
        _split_fused_convolutions(model)
    if opset_of(model) >= RECENT_OPSET:
        return
    skeleton = without_weights(model)
    small = {tensor.name for tensor in skeleton.graph.initializer}
    try:
        converted = sandbox.converted(skeleton)
    except sandbox.Failed as error:
        raise ModelError(
            f"no gradient: onnx cannot convert the network to opset {RECENT_OPSET}: {shown(str(error), 240)}",
            hint=f"export it again with opset {RECENT_OPSET} or later",
        ) from error
    _resize_as_before(converted, graph.node, opset_of(model))
    _fit_constants(converted, opset_of(model))
    large = [node for node in graph.node if _is_stored(node) and not _makes(converted, node)]
    copies = [NodeProto.FromString(node.SerializeToString()) for node in large]
    del graph.node[:]
    graph.node.extend([*copies, *converted.graph.node])
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name in small:
            del graph.initializer[place]
    graph.initializer.extend(converted.graph.initializer)
    del graph.value_info[:]
    for imported in model.opset_import:
        if imported.domain in STANDARD:
            imported.CopyFrom(helper.make_opsetid("", RECENT_OPSET))


PARAMETERS = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "LeakyRelu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "Clip": ("min", "max"),
}
"""Activations of a FusedConv, and their attributes in the order of ``activation_params``."""


def _split_fused_convolutions(model: ModelProto) -> None:
    """Replace FusedConv, which ONNX Runtime's optimizer writes, by Conv, Add and an activation."""
    taken = dict.fromkeys((name for node in model.graph.node for name in (*node.input, *node.output)), 0)
    nodes = []
    for node in model.graph.node:
        given = attributes(node)
        activation = given.pop("activation", "")
        if (node.domain, node.op_type) != ("com.microsoft", "FusedConv") or activation not in PARAMETERS:
            nodes.append(node)
            continue
        numbers = given.pop("activation_params", [])
        result = free_name(f"{node.output[0]}/Conv", taken)
        nodes.append(helper.make_node("Conv", node.input[:3], [result], name=node.name, **given))
        if len(node.input) > 3 and node.input[3]:
            total = free_name(f"{node.output[0]}/Add", taken)
            nodes.append(helper.make_node("Add", [result, node.input[3]], [total]))
            result = total
        inputs = [result]
        settings = dict(zip(PARAMETERS[activation], numbers, strict=False))
        if activation == "Clip" and opset_of(model) >= 11:
            for name, number in settings.items():
                inputs.append(free_name(f"{node.output[0]}/{name}", taken))
                nodes.append(helper.make_node("Constant", [], inputs[-1:], value_float=number))
            settings = {}
        nodes.append(helper.make_node(activation, inputs, node.output, **settings))
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _resize_as_before(converted: ModelProto, before: Sequence[NodeProto], opset: int) -> None:
    """Restore what Upsample, and Resize before opset 11, computed, and the names of their outputs.

    onnx converts them to other defaults. Places were asymmetric, and the nearest element was the one below,
    but for Resize the one above if the scale of the axis is below 1.
    """
    if opset >= 11:
        return
    graph = converted.graph
    originals = [node for node in before if node.op_type in ("Upsample", "Resize")]
    values = {tensor.name: tensor for tensor in graph.initializer}
    values |= {
        node.output[0]: item.t
        for node in graph.node
        if _is_stored(node)
        for item in node.attribute
        if item.name == "value"
    }
    renamed = {}
    resizing = (node for node in graph.node if node.op_type == "Resize")
    for node, original in zip(resizing, originals, strict=True):
        renamed[node.output[0]] = original.output[0]
        found = values.get(node.input[2])
        scales = np.ones(1) if found is None else numpy_helper.to_array(found)
        below = original.op_type == "Resize" and bool((scales < 1).any())
        if below and (scales > 1).any() and attributes(node).get("mode", "nearest") == "nearest":
            raise ModelError(
                f"no gradient: node {label(node)} enlarges one axis and shrinks another in an old opset",
                hint="export the network again with opset 11 or later",
            )
        nearest = "ceil" if below else "floor"
        options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": nearest}
        node.attribute.extend(helper.make_attribute(*option) for option in options.items())
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


def _fit_constants(converted: ModelProto, opset: int) -> None:
    """Give limits and padding values that were attributes the type of the tensor; onnx makes them float32."""
    if opset >= 11:
        return
    graph = converted.graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    stored = {node.output[0]: item for node in graph.node if _is_stored(node) for item in node.attribute}
    for node in graph.node:
        kind = types.get(node.output[0] if node.output else "")
        if node.op_type not in ("Clip", "Pad") or kind not in (TensorProto.FLOAT16, TensorProto.DOUBLE):
            continue
        for name in node.input[1:]:
            item = stored.get(name)
            if item is not None and item.t.data_type == TensorProto.FLOAT:
                array = numpy_helper.to_array(item.t)
                fitting = array.astype(helper.tensor_dtype_to_np_dtype(kind))
                item.t.CopyFrom(numpy_helper.from_array(fitting))


def _is_stored(node: NodeProto) -> bool:
    return node.op_type == "Constant" and node.domain in STANDARD


def _makes(model: ModelProto, node: NodeProto) -> bool:
    """Whether the converted model still has a Constant node, i.e. whether it is a small one."""
    return not any(value.name == node.output[0] for value in model.graph.input)
