"""Which operators are folded when all their inputs are constant, and how large their outputs may be.

Those in `FOLDABLE` are computed in place: the size of their output is bounded beforehand, and their time is
proportional to it. All others are computed in a process with limits (`reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from filterkit.geometry import product
from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import STANDARD, attributes, bodies, reads

if TYPE_CHECKING:
    from filterkit.graph.view.view import GraphView

    Located = tuple[GraphView, onnx.NodeProto]

QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")
"""Also in ONNX Runtime's domain, which supported more types and block sizes before the standard did."""

LEAST_WIDTH = 4
"""Bytes of a float32, to which quantized values and float16 are converted."""

STRING_OVERHEAD = 64
"""Bytes of a string besides its characters."""

Inputs = Sequence[Any]
"""Arrays, and None for inputs that are left out."""


def cost_of(value: Any) -> int:
    """Memory of an array in bytes; each element counts as at least the float32 that it may become."""
    if value.dtype.kind == "O":
        return sum(STRING_OVERHEAD + len(text) for text in value.flat)
    return int(value.size) * max(LEAST_WIDTH, int(value.dtype.itemsize))


def bytes_made(node: onnx.NodeProto, inputs: Inputs) -> int:
    """An upper bound on the output of a foldable node, as counted by `cost_of`.

    Raises
    ------
    Textual
        It reads or produces strings, whose length is unbounded; no weight is one.
    ValueError, IndexError, AttributeError, TypeError, LookupError, OverflowError
        The node is malformed.
    """
    values = attributes(node)
    if any(value is not None and value.dtype.kind in "OSU" for value in inputs):
        raise Textual
    width = _WIDTHS.get(node.op_type, _first_width)(inputs, values)
    elements = int(FOLDABLE[node.op_type](inputs, values))
    if elements < 0:
        raise ValueError("a negative number of elements")
    return elements * max(LEAST_WIDTH, width)


class Textual(Exception):
    """A node reads or produces strings instead of numbers."""


def _input_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return sum(value.size for value in inputs if value is not None)


def _broadcast_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size([value.shape for value in inputs if value is not None])


def _shape_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return product(inputs[0].ravel())


def _expanded_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    product(inputs[1].ravel())  # raises if it is not a shape
    return _broadcast_size([inputs[0].shape, inputs[1].ravel().tolist()])


def _tiled_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size * product(inputs[1].ravel()))


def _gathered_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size // max(inputs[0].shape[values.get("axis", 0)], 1) * inputs[1].size)


def _split_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    return _input_elements(inputs, values) + max(int(values.get("num_outputs", 0)), 0)


def _quantized_elements(inputs: Inputs, values: dict[str, Any]) -> int:
    """Scales and zero points are repeated for every element of their blocks."""
    repeated = max(values.get("block_size", 0), 1) * _input_elements(inputs[1:], values)
    return _input_elements(inputs, values) + (repeated if repeated > 4 * inputs[0].size else 0)


def _broadcast_size(shapes: Sequence[Sequence[int]]) -> int:
    """Number of elements to which arrays of these shapes broadcast, if they do."""
    return product(list(map(max, zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1))))


def _first_width(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].dtype.itemsize)


def _widest_input(inputs: Inputs, values: dict[str, Any]) -> int:
    return max(int(value.dtype.itemsize) for value in inputs if value is not None)


def _stated_width(inputs: Inputs, values: dict[str, Any]) -> int:
    """Width of the type stated by an attribute, or else of the second input."""
    stated = values.get("to") or values.get("output_dtype")
    if not stated:
        return _widest_input(inputs[1:], values)
    if stated == onnx.TensorProto.STRING:
        raise Textual
    return int(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(stated)).itemsize)


def _filling_width(inputs: Inputs, values: dict[str, Any]) -> int:
    filling = values.get("value")
    if filling is None:
        return LEAST_WIDTH
    if filling.data_type == onnx.TensorProto.STRING:
        raise Textual
    return int(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(filling.data_type)).itemsize)


def _code_width(inputs: Inputs, values: dict[str, Any]) -> int:
    return LEAST_WIDTH


_COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor")
_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Mean", "Where", "PRelu")

_WIDTHS: dict[str, Callable[[Inputs, dict[str, Any]], int]] = {
    **dict.fromkeys([*_ARITHMETIC, "Concat"], _widest_input),
    **dict.fromkeys(["Cast", "CastLike", "DequantizeLinear"], _stated_width),
    **dict.fromkeys([*_COMPARISONS, "QuantizeLinear", "Shape", "Size", "Not", "IsNaN"], _code_width),
    "ConstantOfShape": _filling_width,
}
"""Bytes per output element; for all other operators, as in their first input."""


FOLDABLE: dict[str, Callable[[Inputs, dict[str, Any]], int]] = {
    **dict.fromkeys(
        [
            *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat"),
            *("Shape", "Size", "Cast", "CastLike", "Neg"),
            *("Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Clip", "Not", "IsNaN"),
            *("Sign", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Relu", "LeakyRelu", "Softplus", "Softmax"),
            *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
        ],
        _input_elements,
    ),
    **dict.fromkeys([*_ARITHMETIC, *_COMPARISONS], _broadcast_elements),
    **dict.fromkeys(QUANTIZATION, _quantized_elements),
    "Split": _split_elements,
    "ConstantOfShape": _shape_elements,
    "Expand": _expanded_elements,
    "Tile": _tiled_elements,
    "Gather": _gathered_elements,
}
"""Operators folded in place, each with an upper bound on its number of output elements."""


RANDOM = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
"""Operators with different outputs at every run."""

TEXTUAL = frozenset(["ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"])
"""Operators on strings and files; no weight is computed by them."""


def is_foldable(node: onnx.NodeProto) -> bool:
    """Whether the outputs of a node without bodies are constant if all its inputs are."""
    if node.domain in STANDARD:
        return node.op_type in _deterministic() and not any(bodies(node))
    return node.domain == "com.microsoft" and node.op_type in QUANTIZATION


def is_computable(node: onnx.NodeProto) -> bool:
    """Whether the outputs of a node, possibly an If or a Loop, are constant if everything it reads is."""
    if node.domain not in STANDARD or node.op_type not in ("If", "Loop"):
        return is_foldable(node)
    return all(is_computable(inner) for body in bodies(node) for inner in body.node)


def is_computed_in_place(node: onnx.NodeProto) -> bool:
    """Whether a foldable node is computed in this process."""
    return node.op_type == "Constant" or node.op_type in FOLDABLE


@cache
def _deterministic() -> frozenset[str]:
    standard = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}
    return frozenset(standard - RANDOM - TEXTUAL)


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
