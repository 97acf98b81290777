"""Nodes held against the definitions of their operators: whoever reads them may then believe their form."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx.defs import OpSchema

from filterkit.errors import ModelError
from filterkit.graph.constants import label
from filterkit.graph.names import shown
from filterkit.graph.walk import bodies

HINT = "export the model again, or fetch it from a source you trust"

NEWEST = 2**31 - 1
"""The largest opset that onnx can be asked for."""


def check_operators(model: onnx.ModelProto) -> None:
    """Hold every node, at every depth, against its operator: inputs, outputs and types of attributes.

    `onnx.checker` does it too, but stops at the first thing that it dislikes, which may be one that filterkit
    takes (an operator of somebody's own). Of operators that onnx does not know, attributes must have a type.

    Raises
    ------
    ModelError
        A node has too few inputs or outputs, or an attribute that is of another type than its operator's.
    """
    opsets = {each.domain: each.version for each in model.opset_import}
    schemas: dict[tuple[str, str], OpSchema | None] = {}

    def check(nodes: Iterable[onnx.NodeProto]) -> None:
        for node in nodes:
            kind = (node.domain, node.op_type)
            if kind not in schemas:
                schemas[kind] = _schema(*kind, opsets)
            _check(node, schemas[kind])
            for body in bodies(node):
                check(body.node)

    check(model.graph.node)
    for function in model.functions:
        check(function.node)


def _schema(domain: str, op: str, opsets: dict[str, int]) -> OpSchema | None:
    domain = "" if domain == "ai.onnx" else domain
    version = opsets.get(domain, opsets.get("ai.onnx", NEWEST) if not domain else NEWEST)
    try:
        return onnx.defs.get_schema(op, max(1, min(version, NEWEST)), domain)
    except onnx.defs.SchemaError:
        return None


def _check(node: onnx.NodeProto, schema: OpSchema | None) -> None:
    known = schema.attributes if schema is not None else {}
    wanted = {name: str(attribute.type).rpartition(".")[2] for name, attribute in known.items()}
    for attribute in node.attribute:
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        expected = wanted.get(attribute.name, kind)
        if kind != expected or kind == "UNDEFINED":
            raise ModelError(
                f"attribute '{shown(attribute.name)}' of node {label(node)} is of type {kind}"
                + (f", not {expected}" if kind != expected else ""),
                hint=HINT,
            )
    if schema is None:
        return
    if len(node.input) < schema.min_input:
        raise ModelError(f"node {label(node)} lacks inputs that its operator needs", hint=HINT)
    if len(node.output) < schema.min_output:
        raise ModelError(f"node {label(node)} lacks outputs that its operator makes", hint=HINT)
