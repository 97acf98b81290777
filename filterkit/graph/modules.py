"""The modules that nodes stand for, where PyTorch's exporter notes them."""

from __future__ import annotations

from filterkit import budget
from filterkit.graph.layers import node_name
from filterkit.graph.names import LONGEST_NAME
from filterkit.graph.view import GraphView

NOTE = "pkg.torch.onnx.name_scopes"
"""The names of the modules around a call, and of the call itself, as Python writes a list."""


def noted_modules(graph: GraphView) -> dict[str, str]:
    """From the name of a node, in the graph and in bodies, to its module's, e.g. ``"layers.0.linear1"``.

    Nodes of the whole network's own, and those of which nothing is noted, are left out.
    """
    found = {}
    for node in graph.nodes:
        note = next((entry.value for entry in node.metadata_props if entry.key == NOTE), "")
        # The last but one of all in quotation marks.
        parts = note.rsplit("'", 4) if isinstance(note, str) and len(note) <= LONGEST_NAME else []
        if len(parts) == 5 and parts[1]:
            found[node_name(graph, node)] = parts[1]
    for body in graph.bodies():
        budget.step("looking for modules in '{}'", body.scope)
        found |= noted_modules(body)
    return found
