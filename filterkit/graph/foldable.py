"""Which operators are computed where all their inputs are constant, and how much each may make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any

import onnx

from filterkit.graph.walk import STANDARD

QUANTIZATION = ("QuantizeLinear", "DequantizeLinear")
"""Also of ONNX Runtime's own domain, which had types and blocks before the standard."""

Inputs = Sequence[Any]
"""Arrays, and None for inputs that are left out."""


def _all_inputs(inputs: Inputs, values: dict[str, Any]) -> int:
    return sum(value.size for value in inputs if value is not None)


def _broadcast(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size(value.shape for value in inputs if value is not None)


def _filled(inputs: Inputs, values: dict[str, Any]) -> int:
    return math.prod(inputs[0].ravel().tolist())


def _expanded(inputs: Inputs, values: dict[str, Any]) -> int:
    return _broadcast_size((inputs[0].shape, inputs[1].ravel().tolist()))


def _tiled(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size * math.prod(inputs[1].ravel().tolist()))


def _gathered(inputs: Inputs, values: dict[str, Any]) -> int:
    return int(inputs[0].size // max(inputs[0].shape[values.get("axis", 0)], 1) * inputs[1].size)


def _broadcast_size(shapes: Iterable[Sequence[int]]) -> int:
    """Elements of what arrays of these shapes broadcast to, if they do."""
    return math.prod(map(max, zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1)))


FOLDABLE: dict[str, Callable[[Inputs, dict[str, Any]], int]] = {
    **dict.fromkeys(
        [
            *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat"),
            *("Split", "Shape", "Size", "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "Neg"),
            *("Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round", "Clip", "Not"),
            *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
        ],
        _all_inputs,
    ),
    **dict.fromkeys(
        ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Sum", "Where", "Equal"], _broadcast
    ),
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Tile": _tiled,
    "Gather": _gathered,
}
"""Operators that are folded, and a bound on the number of elements that they make."""


def is_foldable(node: onnx.NodeProto) -> bool:
    """Whether the node's outputs are constant once all its inputs are."""
    if node.domain in STANDARD:
        return node.op_type == "Constant" or node.op_type in FOLDABLE
    return node.domain == "com.microsoft" and node.op_type in QUANTIZATION
