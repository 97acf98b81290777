"""Which operators are folded when all their inputs are constant, and how large their outputs may be.

Those in `FOLDABLE` are computed in place: the size of their output is bounded beforehand, and their time is
proportional to it. All others are computed in a process with limits (`reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

import numpy as np
import onnx

from filterkit.geometry import product
from filterkit.graph.view.walk import STANDARD, attributes, bodies

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
