"""Messages that say why the value of a tensor is unknown before the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from filterkit.graph.loading.names import shown
from filterkit.graph.view.foldable import is_computable
from filterkit.graph.view.walk import STANDARD, reads

if TYPE_CHECKING:
    from filterkit.graph.view.view import GraphView

    Located = tuple[GraphView, onnx.NodeProto]


def label(node: onnx.NodeProto) -> str:
    """A node in a message: its name, or that of its first output, and its operator."""
    name = node.name or next(filter(None, node.output), "")
    return f"'{shown(name)}' ({shown(node.op_type)})"


def why_not_constant(graph: GraphView, tensor: str) -> str:
    """Why a tensor is not constant: what it is, or the first of its ancestors that cannot be computed.

    Ancestors are searched in the graph's order. If the tensor depends on the model's input, the node is the
    first that reads the input.
    """
    home = graph.home(tensor)
    if home is None:
        return f"a tensor that nothing produces ('{shown(tensor)}')"
    if home.producer(tensor) is None and home.body is not None:
        return f"passed to the body of node {label(home.body.node)} at run time ('{shown(tensor)}')"
    if home.producer(tensor) is None:
        return f"an input of the model ('{shown(tensor)}')"
    nodes, origins = _not_constant(graph, tensor)
    for view, node in nodes:
        if any(_is_input(view, name) for name in reads(node)):
            of_size = "the size of " if node.op_type in ("Shape", "Size") else ""
            return f"computed from {of_size}the model's input at run time by node {label(node)}"
    for view, node in nodes:
        for name in reads(node):
            body = _node_of_body_input(view, name)
            if body is not None:
                source = f"from a value passed to the body of node {label(body)} at run time"
                return f"computed by node {label(node)}, {source} ('{shown(name)}')"
    if not origins:  # nodes of a body or a function may form a cycle
        return f"computed from itself by node {label(nodes[0][1])}"
    return _why_not_computed(origins[0][1])


def _why_not_computed(node: onnx.NodeProto) -> str:
    if is_computable(node):  # it reads a tensor that nothing produces
        return f"computed at run time by node {label(node)}"
    if node.domain not in STANDARD:
        name = node.name or next(filter(None, node.output), "")
        operator = f"{shown(node.op_type)} of domain '{shown(node.domain)}'"
        return f"computed by node '{shown(name)}' ({operator}), an operator that filterkit cannot compute"
    if not onnx.defs.has(node.op_type):
        return f"computed by node {label(node)}, an operator that the installed onnx does not know"
    return f"computed at run time by node {label(node)}"


def _not_constant(graph: GraphView, tensor: str) -> tuple[list[Located], list[Located]]:
    """The ancestors of `tensor` that are not constant, in order, and the earliest of them."""
    found: dict[tuple[int, int], GraphView] = {}
    later: set[tuple[int, int]] = set()
    pending = [(graph, tensor)]
    while pending:
        view, name = pending.pop()
        home = view.home(name)
        index = home.index_of_producer(name) if home is not None else None
        if home is None or index is None or (home.depth, index) in found:
            continue
        place = home.depth, index
        found[place] = home
        for read in reads(home.nodes[index]):
            before = home.home(read)
            if before is not None and not before.is_constant(read):
                pending.append((home, read))
                if before.index_of_producer(read) is not None:
                    later.add(place)
    nodes, origins = (
        [(found[place], found[place].nodes[place[1]]) for place in sorted(places)]
        for places in (found.keys(), found.keys() - later)
    )
    return nodes, origins


def _is_input(view: GraphView, tensor: str) -> bool:
    home = view.home(tensor)
    return home is not None and home.body is None and any(value.name == tensor for value in home.inputs)


def _node_of_body_input(view: GraphView, tensor: str) -> onnx.NodeProto | None:
    """The node whose body has `tensor` as an input; None for any other tensor."""
    home = view.home(tensor)
    if home is None or home.body is None or home.is_constant(tensor) or home.producer(tensor) is not None:
        return None
    return home.body.node
