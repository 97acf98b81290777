"""Which operators are computed where all their inputs are constant, and how much each may make.

Those of `FOLDABLE` are computed in place: what they make is bounded before, and takes time in proportion. All
others go to a process with limits (`evaluation`).
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
"""Also of ONNX Runtime's own domain, which had types and blocks before the standard."""

LEAST_WIDTH = 4
"""Bytes of a float32, which codes of one byte and halves of two become."""

A_TEXT = 64
"""Bytes of a text beside its characters."""

Inputs = Sequence[Any]
"""Arrays, and None for inputs that are left out."""


def cost_of(value: Any) -> int:
    """What an array costs in memory, in bytes; no element counts as less than the float32 it may become."""
    if value.dtype.kind == "O":
        return sum(A_TEXT + len(text) for text in value.flat)
    return int(value.size) * max(LEAST_WIDTH, int(value.dtype.itemsize))


def bytes_made(node: onnx.NodeProto, inputs: Inputs) -> int:
    """A bound on what a foldable node makes, as `cost_of` counts.

    Raises
    ------
    Textual
        It makes texts, which may be as long as they like; no weight is one.
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
    """A node makes or takes texts instead of numbers."""


def _all_inputs(inputs: Inputs, values: dict[str, Any]) -> int:
    return sum(value.size for value in inputs if value is not None)


def _broadcast(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size([value.shape for value in inputs if value is not None])


def _filled(inputs: Inputs, values: dict[str, Any]) -> int:
    return product(inputs[0].ravel())


def _expanded(inputs: Inputs, values: dict[str, Any]) -> int:
    product(inputs[1].ravel())  # raises where it is no shape
    return _broadcast_size([inputs[0].shape, inputs[1].ravel().tolist()])


def _tiled(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size * product(inputs[1].ravel()))


def _gathered(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size // max(inputs[0].shape[values.get("axis", 0)], 1) * inputs[1].size)


def _parted(inputs: Inputs, values: dict[str, Any]) -> int:
    return _all_inputs(inputs, values) + max(int(values.get("num_outputs", 0)), 0)


def _scaled(inputs: Inputs, values: dict[str, Any]) -> int:
    """Scales and zero points are repeated for all elements of their blocks, as many as there are to scale."""
    repeated = max(values.get("block_size", 0), 1) * _all_inputs(inputs[1:], values)
    return _all_inputs(inputs, values) + (repeated if repeated > 4 * inputs[0].size else 0)


def _broadcast_size(shapes: Sequence[Sequence[int]]) -> int:
    """Elements of what arrays of these shapes broadcast to, if they do."""
    return product(list(map(max, zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1))))


def _first_width(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].dtype.itemsize)


def _widest(inputs: Inputs, values: dict[str, Any]) -> int:
    return max(int(value.dtype.itemsize) for value in inputs if value is not None)


def _stated_width(inputs: Inputs, values: dict[str, Any]) -> int:
    """Of what an attribute says a node makes, else of what its second input is of."""
    stated = values.get("to") or values.get("output_dtype")
    if not stated:
        return _widest(inputs[1:], values)
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
    **dict.fromkeys([*_ARITHMETIC, "Concat"], _widest),
    **dict.fromkeys(["Cast", "CastLike", "DequantizeLinear"], _stated_width),
    **dict.fromkeys([*_COMPARISONS, "QuantizeLinear", "Shape", "Size", "Not", "IsNaN"], _code_width),
    "ConstantOfShape": _filling_width,
}
"""Bytes of an element that these make; others make more of the kind that their first input is."""


FOLDABLE: dict[str, Callable[[Inputs, dict[str, Any]], int]] = {
    **dict.fromkeys(
        [
            *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat"),
            *("Shape", "Size", "Cast", "CastLike", "Neg"),
            *("Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Clip", "Not", "IsNaN"),
            *("Sign", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Relu", "LeakyRelu", "Softplus", "Softmax"),
            *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
        ],
        _all_inputs,
    ),
    **dict.fromkeys([*_ARITHMETIC, *_COMPARISONS], _broadcast),
    **dict.fromkeys(QUANTIZATION, _scaled),
    "Split": _parted,
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Tile": _tiled,
    "Gather": _gathered,
}
"""Operators that are folded, and a bound on the number of elements that they make."""


RANDOM = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
"""What these make is another thing at every run."""

TEXTUAL = frozenset(["ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"])
"""These read texts and files; no weight is made of any."""


def is_foldable(node: onnx.NodeProto) -> bool:
    """Whether the outputs of a node, which carries no graphs, are constant once all its inputs are."""
    if node.domain in STANDARD:
        return node.op_type in _deterministic() and not any(bodies(node))
    return node.domain == "com.microsoft" and node.op_type in QUANTIZATION


def is_computable(node: onnx.NodeProto) -> bool:
    """Whether the outputs of a node are constant once all that it reads is: of an If or a Loop, too."""
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
