"""Reading ONNX graphs: loading, constants, naming, geometry, cutting."""

from filterkit.graph.constants import NotConstant
from filterkit.graph.cut import cut
from filterkit.graph.load import load_model
from filterkit.graph.naming import name_layers
from filterkit.graph.sizes import free_sizes
from filterkit.graph.view import GraphInput, GraphView, open_graph
from filterkit.graph.walk import attributes

__all__ = [
    "GraphInput",
    "GraphView",
    "NotConstant",
    "attributes",
    "cut",
    "free_sizes",
    "load_model",
    "name_layers",
    "open_graph",
]
