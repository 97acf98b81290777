"""Scopes: a node is in the main graph, or in a body of another node."""

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
