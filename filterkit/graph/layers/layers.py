"""The way through a model that all extractors take: every node that is a layer becomes a bank or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import onnx

from filterkit import budget
from filterkit.graph.loading.names import shown
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import bodies
from filterkit.records import FilterBank, Skipped


class Unresolved(Exception):
    """A layer that cannot be extracted; the message says why, for a user."""


def read_layers(
    graph: GraphView,
    is_layer: Callable[[onnx.NodeProto], bool],
    read: Callable[[GraphView, onnx.NodeProto, str], FilterBank | None],
) -> Iterator[FilterBank | Skipped]:
    """Read every layer of a model: all that an extractor's ``extract`` has to return.

    Parameters
    ----------
    graph
        The main graph.
    is_layer
        Whether a node is of the kind that is looked for.
    read
        Makes a bank of such a node, given the graph that holds it and the name for `FilterBank.node`. None
        where the node turns out to be no layer. It raises `Unresolved` where it is one that cannot be read;
        whatever else it raises goes on to the caller. In graphs from `open_graph`, nodes of operators that
        ONNX defines have the inputs, outputs and types of attributes that it asks for; of others nothing is
        known.

    Yields
    ------
    FilterBank or Skipped
        In the graph's order, one at a time; nodes in bodies (branches of If, bodies of Loop and Scan) behind
        those of the graph around them. Skipped are layers that are Unresolved, whose weights are
        `NotConstant`, or that stand in functions of another opset; other functions are part of the graph by
        then.
    """
    yield from _in_graph(graph, is_layer, read)
    for function in graph.model.functions:
        reason = f"inside the model's function '{shown(function.name)}', whose opset is not the model's"
        yield from _unread(function.node, is_layer, reason)


def node_name(graph: GraphView, node: onnx.NodeProto) -> str:
    """Name of a node, or of its first output where it has none, behind the path of the body it stands in."""
    name = node.name or next(filter(None, node.output), "")
    return f"{graph.scope}/{name}" if graph.scope else name


def _in_graph(
    graph: GraphView,
    is_layer: Callable[[onnx.NodeProto], bool],
    read: Callable[[GraphView, onnx.NodeProto, str], FilterBank | None],
) -> Iterator[FilterBank | Skipped]:
    for node in filter(is_layer, graph.nodes):
        name = node_name(graph, node)
        budget.step("extracting layer '{}'", name)
        try:
            found: FilterBank | Skipped | None = read(graph, node, name)
        except Unresolved as error:
            found = Skipped(name, node.op_type, str(error))
        except NotConstant as error:
            found = Skipped(name, node.op_type, f"its weight is {error.reason}")
        if found is not None:
            yield found
    for body in graph.bodies():
        budget.step("looking for layers in '{}'", body.scope)
        yield from _in_graph(body, is_layer, read)


def _unread(
    nodes: Iterable[onnx.NodeProto], is_layer: Callable[[onnx.NodeProto], bool], reason: str
) -> Iterator[Skipped]:
    for node in nodes:
        if is_layer(node):
            yield Skipped(node.name or next(filter(None, node.output), ""), node.op_type, reason)
        for body in bodies(node):
            yield from _unread(body.node, is_layer, reason)
