"""Infer the shapes of all tensors for an input of known size, including shape arithmetic.

It works on a skeleton, the graph without its weights: onnx's shape inference copies the whole model, and with
553 MB of weights in it takes 10 s and 2.7 GB. In older opsets it stops where a graph computes the target of a
Reshape from the input's shape (Shape, Gather, Concat, …). Once that shape is known, the arithmetic is
constant: it is replaced by its result, and inference is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from filterkit import budget
from filterkit.geometry import MOST_AXES, product
from filterkit.graph.loading import sandbox
from filterkit.graph.view.foldable import Textual, bytes_made, is_foldable
from filterkit.graph.view.walk import STANDARD, attributes

MOST_ROUNDS = 64
"""How often inference is repeated where arithmetic depends on earlier results: a hostile graph could require
any number."""
MOST_NODES = 2**20
"""How many nodes inference may process in all rounds together, of which there is at least one."""
MOST_STEPS = 2**15
"""How many arithmetic nodes are computed in one round."""

SMALL = 256
"""Elements of a tensor that is treated as shape arithmetic."""


class Contradiction(Exception):
    """The graph does not allow these sizes."""


def infer_shapes(skeleton: ModelProto, input_name: str, sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shapes that are fully known when an input has these sizes.

    Parameters
    ----------
    skeleton
        A model without its weights (`without_weights`); not changed.

    Raises
    ------
    Contradiction
        The graph does not allow these sizes.
    """
    trial = ModelProto()
    trial.CopyFrom(skeleton)
    value = next(value for value in trial.graph.input if value.name == input_name)
    if max(sizes, default=0) >= 2**63:
        raise Contradiction("larger than ONNX can represent")
    for dim, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
        dim.dim_value = size
    shapes: dict[str, tuple[int, ...]] = {}
    for _ in range(most_rounds(trial)):
        try:
            inferred = sandbox.with_shapes(trial, strict=True)
        except sandbox.Failed as error:
            raise Contradiction(str(error)) from error
        shapes = known_shapes(inferred.graph)
        if not fold_shape_arithmetic(trial, shapes):
            break
    return shapes


def most_rounds(model: ModelProto) -> int:
    """How often inference may be repeated for this model."""
    return max(1, min(MOST_ROUNDS, MOST_NODES // max(len(model.graph.node), 1)))


def known_shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """Shapes in which every axis is known, and that an array can have."""
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
        and len(value.type.tensor_type.shape.dim) <= MOST_AXES
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
    }
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def fold_shape_arithmetic(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Replace shape arithmetic with known inputs by its result; return whether there was any."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    folded, steps = False, 0
    for node in model.graph.node:
        if len(node.output) != 1 or not is_foldable(node):
            continue
        if node.op_type == "Constant":
            constants.update(_stored(node))
            continue
        if node.op_type == "Shape" and node.input[0] in shapes:
            given = attributes(node)
            value = np.array(shapes[node.input[0]], np.int64)[given.get("start", 0) : given.get("end")]
        elif all(name in constants for name in node.input if name):
            steps += 1
            if steps > MOST_STEPS:
                break
            budget.step("computing shapes with node '{0.name}' ({0.op_type})", node)
            found = _evaluate(node, constants, model.opset_import)
            if found is None:
                continue
            value = found
        else:
            continue
        constants[node.output[0]] = value
        node.CopyFrom(
            onnx.helper.make_node(
                "Constant", [], [node.output[0]], name=node.name, value=numpy_helper.from_array(value)
            )
        )
        folded = True
    return folded


def _stored(node: NodeProto) -> dict[str, NDArray[Any]]:
    """The value of a Constant node that can hold a shape."""
    for name, value in attributes(node).items():
        if name == "value" and product(value.dims) <= SMALL:
            return {node.output[0]: numpy_helper.to_array(value)}
        if name == "value_int" or (name == "value_ints" and len(value) <= SMALL):
            return {node.output[0]: np.array(value, np.int64)}
    return {}


def _evaluate(
    node: NodeProto, constants: Mapping[str, NDArray[Any]], opsets: Iterable[onnx.OperatorSetIdProto]
) -> NDArray[Any] | None:
    """The result of a node with constant inputs; None if it is too large, not numeric, or fails."""
    from onnx.reference import ReferenceEvaluator

    inputs = {name: constants[name] for name in node.input if name}
    if not _is_small(node, [inputs.get(name) for name in node.input]):
        return None
    graph = GraphProto(name="arithmetic", node=[node])
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in inputs)
    graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    model = ModelProto(ir_version=8, graph=graph, opset_import=opsets)
    try:
        with np.errstate(all="ignore"):
            (made,) = ReferenceEvaluator(model).run(None, inputs)
            value = np.asarray(made)
            return value if value.dtype.kind in "biuf" else None
    except Exception:  # a malformed node: inference reports it where it matters
        return None


def _is_small(node: NodeProto, inputs: Sequence[NDArray[Any] | None]) -> bool:
    """Whether the output of a node is small enough for shape arithmetic; False if the node is malformed."""
    try:
        return bytes_made(node, inputs) <= SMALL * 8
    except (Textual, ValueError, LookupError, AttributeError, TypeError, OverflowError):
        return False


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
