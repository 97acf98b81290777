"""The loop over a model's layers that all extractors share: each one becomes a bank or is skipped."""

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
    """A layer cannot be extracted; the message gives the reason to the user."""


def read_layers(
    graph: GraphView,
    is_layer: Callable[[onnx.NodeProto], bool],
    read: Callable[[GraphView, onnx.NodeProto, str], FilterBank | None],
) -> Iterator[FilterBank | Skipped]:
    """Read every layer of a model: what an extractor's ``extract`` returns.

    Parameters
    ----------
    graph
        The main graph.
    is_layer
        Whether a node may be a layer.
    read
        Returns the bank of such a node, given the graph that contains it and the name for `FilterBank.node`;
        None where the node turns out not to be a layer. It raises `Unresolved` for a layer that cannot be
        read; any other exception is propagated to the caller. In graphs from `open_graph`, nodes of standard
        operators have the inputs, outputs and attribute types that ONNX requires; other nodes are unchecked.

    Yields
    ------
    FilterBank or Skipped
        In graph order; nodes in bodies (branches of If, bodies of Loop and Scan) come after those of the
        enclosing graph. A layer is skipped if it is `Unresolved`, if its weights are `NotConstant`, or if it
        is in a function of another opset; all other functions have been inlined.
    """
    yield from _in_graph(graph, is_layer, read)
    for function in graph.model.functions:
        reason = f"in the model's function '{shown(function.name)}', whose opset differs from the model's"
        yield from _skipped(function.node, is_layer, reason)


def node_name(graph: GraphView, node: onnx.NodeProto) -> str:
    """Name of a node, or of its first output if unnamed, after the path of the body that contains it."""
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
        budget.step("searching for layers in '{}'", body.scope)
        yield from _in_graph(body, is_layer, read)


def _skipped(
    nodes: Iterable[onnx.NodeProto], is_layer: Callable[[onnx.NodeProto], bool], reason: str
) -> Iterator[Skipped]:
    for node in nodes:
        if is_layer(node):
            yield Skipped(node.name or next(filter(None, node.output), ""), node.op_type, reason)
        for body in bodies(node):
            yield from _skipped(body.node, is_layer, reason)
