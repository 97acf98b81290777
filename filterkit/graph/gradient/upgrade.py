"""Convert a model to recent standard operators, so that gradients may use them and rules know one form."""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from filterkit.errors import ModelError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import shown
from filterkit.graph.loading.sandbox_worker import RECENT_OPSET
from filterkit.graph.view.shapes import without_weights
from filterkit.graph.view.walk import STANDARD, opset_of

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


def _is_stored(node: NodeProto) -> bool:
    return node.op_type == "Constant" and node.domain in STANDARD


def _makes(model: ModelProto, node: NodeProto) -> bool:
    """Whether the converted model still has a Constant node, i.e. whether it is a small one."""
    return not any(value.name == node.output[0] for value in model.graph.input)
