"""Where a node stands: in the main graph, or in a body that another node carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from onnx import GraphProto, NodeProto

from filterkit.errors import ModelError
from filterkit.graph.loading.names import LONGEST_NAME
from filterkit.graph.view.walk import named_bodies

MAIN = ""
"""Scope of the main graph."""


class Body(NamedTuple):
    """A graph that a node carries, e.g. the branch of an If.

    Attributes
    ----------
    scope
        Path of the body from the main graph: the node's name (or its first output's, where it has none or
        shares it) and the attribute, e.g. ``"If_0/then_branch"``, behind the scope that the node stands in.
    place, node
        The node that carries the body, and its place among the nodes around it.
    attribute
        ``"then_branch"``, ``"else_branch"`` or ``"body"``.
    """

    scope: str
    place: int
    node: NodeProto
    attribute: str
    graph: GraphProto


def bodies_in(graph: GraphProto, scope: str = MAIN) -> Iterator[Body]:
    """The bodies that nodes of `graph` carry themselves, in the graph's order; their own bodies not.

    Raises
    ------
    ModelError
        The path of a body is longer than a name may be.
    """
    seen: set[str] = set()
    for place, node in enumerate(graph.node):
        first = next(filter(None, node.output), "")
        for attribute, body in named_bodies(node):
            path = f"{node.name or first}/{attribute}"
            if path in seen:
                path = f"{first}/{attribute}"
            seen.add(path)
            inside = f"{scope}/{path}" if scope else path
            if len(inside) > LONGEST_NAME:  # it stands before the name of every layer inside
                raise ModelError(
                    f"the graph nests bodies under names of {len(inside):,} characters altogether",
                    hint=f"at most {LONGEST_NAME:,} are taken; export the model again, with shorter names",
                )
            yield Body(inside, place, node, attribute, body)
