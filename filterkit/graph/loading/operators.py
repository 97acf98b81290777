"""Nodes held against the definitions of their operators: whoever reads them may then believe their form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import onnx

from filterkit.errors import ModelError
from filterkit.graph.loading.names import shown
from filterkit.graph.view.reasons import label
from filterkit.graph.view.walk import bodies

HINT = "export the model again, or fetch it from a source you trust"

MOST_IMPORTS = 1024
"""How many sets of operators a model may import; they are gone through for every body and function."""

NEWEST = 2**31 - 1
"""The largest opset that onnx can be asked for."""


class Form(NamedTuple):
    """What an operator asks of its nodes: types of attributes by name, and how many inputs and outputs."""

    attributes: dict[str, str]
    inputs: int
    most_inputs: int
    outputs: int


def check_operators(model: onnx.ModelProto) -> None:
    """Hold every node, at every depth, against its operator: inputs, outputs and types of attributes.

    `onnx.checker` does it too, but stops at the first thing that it dislikes, which may be one that filterkit
    takes (an operator of somebody's own). Of operators that onnx does not know, attributes must have a type.

    Raises
    ------
    ModelError
        A node has too few or too many inputs, too few outputs, or an attribute that is of another type than
        its operator's, or that stands for one of a function's and is in none. Or the model imports more
        than MOST_IMPORTS sets of operators.
    """
    if len(model.opset_import) > MOST_IMPORTS:
        raise ModelError(f"it imports {len(model.opset_import):,} sets of operators", hint=HINT)
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
    forms: dict[tuple[str, str], Form | None] = {}

    def check(nodes: Iterable[onnx.NodeProto]) -> None:
        for node in nodes:
            kind = (_domain(node.domain), node.op_type)
            if kind not in forms:
                forms[kind] = _form(*kind, opsets.get(kind[0], NEWEST))
            _check(node, forms[kind], in_function=in_function)
            for body in bodies(node):
                check(body.node)

    check(nodes)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _form(domain: str, op: str, opset: int) -> Form | None:
    """What the operator asks for in that opset, or else in the newest; None where onnx knows none."""
    for each in (max(1, min(opset, NEWEST)), NEWEST):
        if onnx.defs.has(op, each, domain):
            schema = onnx.defs.get_schema(op, each, domain)
            break
    else:
        return None
    kinds = {name: str(attribute.type).rpartition(".")[2] for name, attribute in schema.attributes.items()}
    return Form(kinds, schema.min_input, schema.max_input, schema.min_output)


def _check(node: onnx.NodeProto, form: Form | None, *, in_function: bool) -> None:
    for attribute in node.attribute:
        if attribute.ref_attr_name and not in_function:
            raise ModelError(
                f"attribute '{shown(attribute.name)}' of node {label(node)} has no value of its own",
                hint=HINT,
            )
        kind = onnx.AttributeProto.AttributeType.Name(attribute.type)
        expected = form.attributes.get(attribute.name, kind) if form is not None else kind
        if kind != expected or kind == "UNDEFINED":
            raise ModelError(
                f"attribute '{shown(attribute.name)}' of node {label(node)} is of type {kind}"
                + (f", not {expected}" if kind != expected else ""),
                hint=HINT,
            )
    if form is not None and len(node.input) < form.inputs:
        raise ModelError(f"node {label(node)} lacks inputs that its operator needs", hint=HINT)
    if form is not None and len(node.input) > form.most_inputs:
        raise ModelError(f"node {label(node)} has more inputs than its operator takes", hint=HINT)
    if form is not None and len(node.output) < form.outputs:
        raise ModelError(f"node {label(node)} lacks outputs that its operator makes", hint=HINT)
