"""Replace every If by the branch that it takes: what is differentiated has no branches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper

from filterkit import budget
from filterkit.errors import ModelError
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.loading.names import free_name
from filterkit.graph.view.foldable import label
from filterkit.graph.view.walk import MAIN, STANDARD, attributes, bodies, bodies_in, reads, rename_captured

Run = Callable[[ModelProto], Sequence[NDArray[Any]]]
"""Runs a model on a picture, and returns its outputs."""

Scopes = dict[str, dict[str, str]]
"""The scopes of the branches of each If, by the name of its first output and by attribute."""


def take_branches(model: ModelProto, run: Run) -> tuple[ModelProto, dict[Wanted, str]]:
    """A model in which each If is replaced by the nodes of the branch that it takes for a picture.

    Parameters
    ----------
    model
        Not changed.
    run
        Computes conditions: it is called with a part of the model once per level of nesting, and never for a
        model without Ifs.

    Returns
    -------
    ModelProto, dict
        The model, and the names in it of the tensors of all branches that are taken. Ifs in the body of a
        Loop or Scan are left as they are.

    Raises
    ------
    ModelError
        A condition is not one number.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    taken = dict.fromkeys(_names(graph), 0)
    scopes = _scopes(graph, MAIN)
    names: dict[Wanted, str] = {}
    while ifs := [node for node in graph.node if _is_if(node)]:
        conditions = list(dict.fromkeys(node.input[0] for node in ifs))
        values = dict(zip(conditions, run(cut(result, conditions)), strict=True))
        nodes: list[NodeProto] = []
        for node in graph.node:
            if not _is_if(node):
                nodes.append(node)
                continue
            budget.step("taking a branch of node '{0.name}' ({0.op_type})", node)
            condition = values[node.input[0]]
            if condition.size != 1:
                raise ModelError(f"the condition of node {label(node)} is {condition.size} numbers, not one")
            which = "then_branch" if condition.item() else "else_branch"
            branch, scope = attributes(node)[which], scopes[node.output[0]][which]
            inner = _scopes(branch, scope)
            renamed = _rename(branch, taken)
            scopes |= {renamed.get(name, name): found for name, found in inner.items()}
            outputs = (name for each in branch.node for name in each.output if name)
            origins = {new: old for old, new in renamed.items()}
            names |= {Wanted(scope, origins.get(name, name)): name for name in outputs}
            nodes.extend(branch.node)
            graph.initializer.extend(branch.initializer)
            graph.sparse_initializer.extend(branch.sparse_initializer)
            for value, name in zip(branch.output, node.output, strict=False):
                if name:
                    nodes.append(helper.make_node("Identity", [value.name], [name]))
        copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    return result, names


def _is_if(node: NodeProto) -> bool:
    return node.op_type == "If" and node.domain in STANDARD


def _scopes(graph: GraphProto, scope: str) -> Scopes:
    found: Scopes = defaultdict(dict)
    for body in bodies_in(graph, scope):
        if _is_if(body.node):
            found[body.node.output[0]][body.attribute] = body.scope
    return dict(found)


def _rename(branch: GraphProto, taken: dict[str, int]) -> dict[str, str]:
    """Rename the tensors that a branch defines, where the names are used elsewhere; return the new names."""
    stored = (*branch.initializer, *(sparse.values for sparse in branch.sparse_initializer))
    defined = [*(tensor.name for tensor in stored), *(name for node in branch.node for name in node.output)]
    renamed = {name: free_name(name, taken) for name in dict.fromkeys(filter(None, defined))}
    renamed = {old: new for old, new in renamed.items() if old != new}
    for tensor in stored:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in branch.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
        for body in bodies(node):
            rename_captured(body, renamed)
    for value in branch.output:
        value.name = renamed.get(value.name, value.name)
    return renamed


def _names(graph: GraphProto) -> Iterator[str]:
    """Names of the tensors of the main graph."""
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    yield from (name for node in graph.node for name in (*node.output, *reads(node)) if name)
