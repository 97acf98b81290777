"""Validate nodes against the schemas of their operators, so that later code can rely on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import onnx

from filterkit.errors import ModelError
from filterkit.graph.loading.names import shown
from filterkit.graph.view.foldable import label
from filterkit.graph.view.walk import bodies

HINT = "export the model again, or fetch it from a source you trust"

MOST_IMPORTS = 1024
"""How many operator sets a model may import; they are searched for every body and function."""

NEWEST = 2**31 - 1
"""The highest opset version that onnx can look up."""


class Signature(NamedTuple):
    """What an operator requires: types of attributes by name, and numbers of inputs and outputs."""

    attributes: dict[str, str]
    inputs: int
    most_inputs: int
    outputs: int


def check_operators(model: onnx.ModelProto) -> None:
    """Validate every node, at every depth, against its operator: inputs, outputs and types of attributes.

    `onnx.checker` does so too, but stops at the first problem, which may be one that filterkit tolerates (a
    custom operator). For operators unknown to onnx, only a type is required of each attribute.

    Raises
    ------
    ModelError
        A node has too few or too many inputs, too few outputs, an attribute of the wrong type, or, outside
        a function, an attribute that refers to a function's. Or the model imports more than MOST_IMPORTS
        operator sets.
    """
    if len(model.opset_import) > MOST_IMPORTS:
        raise ModelError(f"it imports {len(model.opset_import):,} operator sets", hint=HINT)
    _check_all(model.graph.node, model.opset_import)
    for function in model.functions:
        _check_all(function.node, function.opset_import or model.opset_import, in_function=True)


def _check_all(
    nodes: Iterable[onnx.NodeProto],
    imports: Iterable[onnx.OperatorSetIdProto],
    *,
    in_function: bool = False,
) -> None:
    opsets = {_domain(each.domain): each.version for each in imports}
    signatures: dict[tuple[str, str], Signature | None] = {}

    def check(nodes: Iterable[onnx.NodeProto]) -> None:
        for node in nodes:
            kind = (_domain(node.domain), node.op_type)
            if kind not in signatures:
                signatures[kind] = _signature(*kind, opsets.get(kind[0], NEWEST))
            _check(node, signatures[kind], in_function=in_function)
            for body in bodies(node):
                check(body.node)

    check(nodes)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _signature(domain: str, op: str, opset: int) -> Signature | None:
    """The operator's signature in that opset, or else in the newest; None where onnx does not know it."""
    for each in (max(1, min(opset, NEWEST)), NEWEST):
        if onnx.defs.has(op, each, domain):
            schema = onnx.defs.get_schema(op, each, domain)
            break
    else:
        return None
    kinds = {name: str(attribute.type).rpartition(".")[2] for name, attribute in schema.attributes.items()}
    return Signature(kinds, schema.min_input, schema.max_input, schema.min_output)


def _check(node: onnx.NodeProto, signature: Signature | None, *, in_function: bool) -> None:
    for attribute in node.attribute:
        if attribute.ref_attr_name and not in_function:
            raise ModelError(
                f"attribute '{shown(attribute.name)}' of node {label(node)} "
                "is a reference outside a function",
                hint=HINT,
            )
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        expected = signature.attributes.get(attribute.name, kind) if signature is not None else kind
        if kind != expected or kind == "UNDEFINED":
            raise ModelError(
                f"attribute '{shown(attribute.name)}' of node {label(node)} is of type {kind}"
                + (f", not {expected}" if kind != expected else ""),
                hint=HINT,
            )
    if signature is not None and len(node.input) < signature.inputs:
        raise ModelError(f"node {label(node)} has fewer inputs than its operator requires", hint=HINT)
    if signature is not None and len(node.input) > signature.most_inputs:
        raise ModelError(f"node {label(node)} has more inputs than its operator accepts", hint=HINT)
    if signature is not None and len(node.output) < signature.outputs:
        raise ModelError(f"node {label(node)} has fewer outputs than its operator requires", hint=HINT)
