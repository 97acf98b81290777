"""Traversing a graph: its tensors, its nested graphs, and its nodes in topological order."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import onnx
from onnx import GraphProto, NodeProto

from filterkit.errors import ModelError
from filterkit.graph.loading.names import LONGEST_NAME, shown

STANDARD = ("", "ai.onnx")
"""The domain of the standard operators, for which ONNX has two names."""


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the standard operators; 0 where the model does not state it."""
    return next((each.version for each in model.opset_import if each.domain in STANDARD), 0)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes as Python values; strings decoded, graphs and tensors as they are."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        found[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return found


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The nested graphs of a node: branches of an If, bodies of a Loop or Scan."""
    return (graph for _, graph in named_bodies(node))


def named_bodies(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    """As `bodies`, with attribute names, indexed in lists of graphs (which no standard operator has)."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.name, attribute.g
        for place, graph in enumerate(attribute.graphs):
            yield f"{attribute.name}[{place}]", graph


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names of the tensors that a node reads: its inputs, and what its bodies capture from outer graphs."""
    yield from filter(None, node.input)
    for body in bodies(node):
        yield from _captured(body)


def rename_captured(body: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename the tensors that a body captures from outer graphs, in nested bodies as well."""
    own = _given(body)
    own.update(output for inner in body.node for output in inner.output)
    outside = {name: other for name, other in names.items() if name not in own}
    for inner in body.node:
        inner.input[:] = [outside.get(name, name) for name in inner.input]
        for deeper in bodies(inner):
            rename_captured(deeper, outside)
    for value in body.output:
        value.name = outside.get(value.name, value.name)


def _captured(body: onnx.GraphProto) -> Iterable[str]:
    """Names that a body or its nested bodies capture from outer graphs, each once."""
    own = _given(body)
    own.update(output for inner in body.node for output in inner.output)
    captured = dict.fromkeys(name for inner in body.node for name in reads(inner) if name not in own)
    return captured | dict.fromkeys(value.name for value in body.output if value.name not in own)


def _given(graph: onnx.GraphProto) -> set[str]:
    """Names that a graph defines without computing them: inputs and initializers."""
    stored = (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer))
    return {value.name for value in graph.input} | {tensor.name for tensor in stored}


def every_tensor(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors stored in the model: initializers and attributes, at every depth."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def every_value(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    """All inputs, outputs and other tensors with a declared type, at every depth."""
    yield from _graph_values(model.graph)
    for function in model.functions:
        yield from function.value_info
        for node in function.node:
            for body in bodies(node):
                yield from _graph_values(body)


def _graph_values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    for values in (graph.input, graph.output, graph.value_info):
        yield from values
    for node in graph.node:
        for body in bodies(node):
            yield from _graph_values(body)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for body in bodies(node):
            yield from _graph_tensors(body)


def topological_order(graph: onnx.GraphProto) -> list[int]:
    """Indices of the graph's own nodes, each after its dependencies, otherwise in the order of the file.

    Raises
    ------
    ModelError
        A tensor has several producers or none, or the nodes form a cycle.
    """
    nodes = list(graph.node)
    producers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for output in filter(None, node.output):
            if producers.setdefault(output, index) != index:
                raise ModelError(
                    f"two nodes produce the tensor '{shown(output)}'", hint="export the model again"
                )
    given = _given(graph)
    stored = Counter(tensor.name for tensor in graph.initializer)
    duplicates = [name for name in (*given, *stored) if name in producers or stored[name] > 1]
    if duplicates:
        raise ModelError(
            f"the tensor '{shown(min(duplicates))}' is defined twice", hint="export the model again"
        )
    needs: list[set[int]] = []
    for node in nodes:
        needs.append(set())
        for name in reads(node):
            if name in producers:
                needs[-1].add(producers[name])
            elif name not in given:
                raise ModelError(
                    f"nothing produces the tensor '{shown(name)}'", hint="export the model again"
                )
    waiting = [len(before) for before in needs]
    dependents: list[list[int]] = [[] for _ in nodes]
    for index, before in enumerate(needs):
        for earlier in before:
            dependents[earlier].append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for later in dependents[index]:
            waiting[later] -= 1
            if waiting[later] == 0:
                heapq.heappush(ready, later)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waiting, strict=True) if count)
        raise ModelError(
            f"the graph contains a cycle at or before node '{shown(stuck.name or stuck.output[0])}'",
            hint="export the model again",
        )
    return order


MAIN = ""
"""Scope of the main graph."""


class Body(NamedTuple):
    """A nested graph of a node, e.g. a branch of an If.

    Attributes
    ----------
    scope
        Path of the body from the main graph: the scope of the node, its name (or that of its first output,
        if it has none or it is not unique) and the attribute, e.g. ``"If_0/then_branch"``.
    place, node
        The node that has the body, and its index in the graph around it.
    attribute
        ``"then_branch"``, ``"else_branch"`` or ``"body"``.
    """

    scope: str
    place: int
    node: NodeProto
    attribute: str
    graph: GraphProto


def bodies_in(graph: GraphProto, scope: str = MAIN) -> Iterator[Body]:
    """The bodies of the nodes of `graph`, in the graph's order, without those nested in them.

    Raises
    ------
    ModelError
        The path of a body exceeds the length limit for names.
    """
    seen: set[str] = set()
    for place, node in enumerate(graph.node):
        first = next(filter(None, node.output), "")
        for attribute, body in named_bodies(node):
            path = f"{node.name or first}/{attribute}"
            if path in seen:
                path = f"{first}/{attribute}"
            seen.add(path)
            nested = f"{scope}/{path}" if scope else path
            if len(nested) > LONGEST_NAME:  # it is part of the name of every layer inside
                raise ModelError(
                    f"the path of a nested body has {len(nested):,} characters",
                    hint=f"at most {LONGEST_NAME:,} are allowed; export the model again with shorter names",
                )
            yield Body(nested, place, node, attribute, body)
