"""Follow the channels of a tensor back to the filters that made them, through all nodes between layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onnx import NodeProto

from filterkit import budget
from filterkit.graph.layers.channel_rules import (
    MOST_ORIGINS,
    RULES,
    Step,
    Traced,
    Untraced,
    data_inputs,
    key_of,
)
from filterkit.graph.loading.names import shown
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.foldable import label
from filterkit.graph.view.view import GraphView


def channel_origins(graph: GraphView, tensor: str, made: Mapping[tuple[str, str], Traced]) -> Traced:
    """The origins of the channels of a tensor.

    Parameters
    ----------
    graph
        The graph that contains the tensor, or a reader of it in a body.
    made
        What is known already, by scope and tensor: outputs of layers, and inputs of the graph.

    Raises
    ------
    Untraced
        A node on the way cannot be followed.
    """
    found: dict[tuple[str, str], Traced | Untraced] = dict(made)
    for view, node in _between(graph, tensor, found):
        budget.step("following the channels through node '{0.name}' ({0.op_type})", node)
        try:
            results = _followed(Step(view, node, found))
        except Untraced as error:  # which matters only if another node needs it
            found |= {(view.scope, name): error for name in node.output}
            continue
        found |= {(view.scope, name): each for name, each in zip(node.output, results, strict=False)}
    result = found.get(key_of(graph, tensor))
    if result is None:
        raise Untraced(f"the tensor '{shown(tensor)}' does not come from a layer")
    if isinstance(result, Untraced):
        raise result
    return result


def _between(
    graph: GraphView, tensor: str, known: Mapping[tuple[str, str], Traced | Untraced]
) -> Iterator[tuple[GraphView, NodeProto]]:
    """The nodes between what is known and a tensor, each after its inputs; constants are not followed."""
    needed: dict[tuple[int, int], GraphView] = {}
    pending = [tensor]
    while pending:
        name = pending.pop()
        home = graph.home(name)
        index = None if home is None else home.index_of_producer(name)
        if home is None or index is None or (home.scope, name) in known or graph.is_constant(name):
            continue
        if (home.depth, index) not in needed:
            needed[home.depth, index] = home
            pending.extend(filter(None, data_inputs(home.nodes[index])))
    for _, index in sorted(needed):
        view = needed[_, index]
        yield view, view.nodes[index]


def _followed(step: Step) -> list[Traced]:
    node = step.node
    rule = RULES.get(node.op_type)
    try:
        if rule is not None:
            result = rule(step)
            found = result if isinstance(result, list) else [result]
            if sum(len(origins) for each in found for origins in each.channels) > MOST_ORIGINS:
                raise Untraced(f"too many filters come together at node {label(node)}")
            return found
    except (NotConstant, LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
        pass
    raise step.untraced()
