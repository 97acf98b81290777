"""Reading ONNX graphs: loading, constants, naming, geometry, cutting."""

from filterkit.graph.activations import Tail, follow
from filterkit.graph.constants import NotConstant
from filterkit.graph.cut import cut
from filterkit.graph.dynamic import dynamic_scale
from filterkit.graph.inputs import InputInfo, detect_input
from filterkit.graph.layers import Unresolved, read_layers
from filterkit.graph.load import load_model
from filterkit.graph.naming import name_layers
from filterkit.graph.origins import stored_as
from filterkit.graph.sizes import free_sizes
from filterkit.graph.spatial import trace_geometry
from filterkit.graph.view import GraphInput, GraphView, open_graph
from filterkit.graph.walk import attributes

__all__ = [
    "GraphInput",
    "GraphView",
    "InputInfo",
    "NotConstant",
    "Tail",
    "Unresolved",
    "attributes",
    "cut",
    "detect_input",
    "dynamic_scale",
    "follow",
    "free_sizes",
    "load_model",
    "name_layers",
    "open_graph",
    "read_layers",
    "stored_as",
    "trace_geometry",
]
