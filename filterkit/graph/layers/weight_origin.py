"""The origin of a weight: the tensor that stores it in the file."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from filterkit.geometry import MOST_AXES
from filterkit.graph.loading.tensors import dtype_name
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import STANDARD, attributes

ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "MatMul", "Gemm", "Where")
"""Operators of which any input may be the weight."""

GENERATORS = (
    *("ConstantOfShape", "Range", "EyeLike", "OneHot", "MelWeightMatrix"),
    *("HannWindow", "HammingWindow", "BlackmanWindow"),
)
"""Operators whose output is generated and not stored: their inputs are sizes and bounds."""
MOST_STEPS = 128
"""Number of nodes that a weight is traced back through; a malicious graph may chain all of its weights."""

KEEPS_AXES = ("Identity", "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear")


def stored_as(graph: GraphView, tensor: str, axes: str) -> tuple[str, str, str]:
    """Find the tensor that stores a weight, by following the nodes that compute it backwards.

    Parameters
    ----------
    tensor
        The weight as the layer reads it.
    axes
        One letter for each of its axes; additional leading axes have size 1.

    Returns
    -------
    tensor, dtype, axes
        The tensor that stores it in the file, its element type as a NumPy name, and its axes: for
        `FilterBank.source_dtype` and `FilterBank.source_layout`. The type is ``"?"`` where there is no such
        tensor, or it is more than MOST_STEPS nodes away; the axes are ``"reshaped"`` where they are not a
        permutation of the weight's.
    """
    home = graph.home(tensor)
    for steps, (view, node, output) in enumerate(_ancestors(graph, tensor)):
        if steps == MOST_STEPS:
            return output, "?", "reshaped"
        tensor = source = _source(view, node, output)
        home = view.home(tensor)
        if node.op_type == "Transpose" and node.domain in STANDARD:
            axes = _before_transpose(axes, attributes(node).get("perm"))
        elif node.op_type not in KEEPS_AXES and not _same_axes(view, output, source):
            axes = ""
    axes = axes.lstrip("1") or "reshaped"
    producer = home.producer(tensor) if home is not None else None
    is_generated = (
        producer is not None and producer.op_type in GENERATORS and producer.op_type != "ConstantOfShape"
    )
    if home is None or is_generated or not home.is_constant(tensor):
        return tensor, "?", axes
    return tensor, dtype_name(home.stored_type(tensor)), axes


def origin(graph: GraphView, tensor: str) -> tuple[str, str]:
    """Scope and name of the tensor that stores a weight in the file, as `stored_as` finds it."""
    for steps, (view, node, output) in enumerate(_ancestors(graph, tensor)):
        if steps == MOST_STEPS:
            return view.scope, output
        graph, tensor = view, _source(view, node, output)
    home = graph.home(tensor)
    return ("" if home is None else home.scope), tensor


def _ancestors(graph: GraphView, tensor: str) -> Iterator[tuple[GraphView, onnx.NodeProto, str]]:
    """The nodes that compute a weight, the last one first, each with its graph and its output."""
    while (home := graph.home(tensor)) and (node := home.producer(tensor)) is not None and node.input:
        if node.op_type in GENERATORS:
            return
        yield home, node, tensor
        graph, tensor = home, _source(home, node, tensor)


def _source(graph: GraphView, node: onnx.NodeProto, output: str) -> str:
    """The input of a node that its output `output` stems from."""
    if node.op_type not in ARITHMETIC:
        return str(node.input[0])
    # The weight is the input with the shape of the output; a scale is smaller. The first input of a Where is
    # its condition, so it is tried last.
    choices = [*node.input[1:], node.input[0]] if node.op_type == "Where" else node.input
    whole = graph.shape(output)
    return str(next((name for name in choices if graph.shape(name) == whole), node.input[0]))


def _before_transpose(axes: str, perm: list[int] | None) -> str:
    """The axes before a Transpose, from those after it."""
    perm = list(range(len(axes)))[::-1] if perm is None else perm
    axes = axes and axes.rjust(len(perm), "1")
    if len(perm) > MOST_AXES or sorted(perm) != list(range(len(axes))):
        return axes
    return "".join(axes[perm.index(axis)] for axis in range(len(axes)))


def _same_axes(graph: GraphView, one: str, other: str) -> bool:
    """Whether two tensors have the same shape, ignoring leading axes of size 1."""
    shapes = [graph.shape(one), graph.shape(other)]
    if None in shapes:
        return False
    longest = max(len(shape) for shape in shapes if shape is not None)
    padded = [(1,) * (longest - len(shape)) + shape for shape in shapes if shape is not None]
    return padded[0] == padded[1]
