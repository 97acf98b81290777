"""Elementwise operators as functions of NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Values = NDArray[np.float64]
Attributes = Mapping[str, Any]
Operation = Callable[..., Any]
"""Maps the node's attributes and its inputs (None where omitted) to its first output."""

FLOATING = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.BFLOAT16,
)

_error_function = np.frompyfunc(math.erf, 1, 1)


def erf(x: Values) -> Values:
    return np.asarray(_error_function(x), np.float64)


def sigmoid(x: Values) -> Values:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def softplus(x: Values) -> Values:
    return np.asarray(np.logaddexp(x, 0))


def gelu(x: Values) -> Values:
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def _gelu(given: Attributes, x: Values) -> Values:
    if given.get("approximate") == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
    return gelu(x)


def _clip(given: Attributes, x: Values, low: Any = None, high: Any = None) -> Values:
    low = given.get("min", -np.inf) if low is None else low
    high = given.get("max", np.inf) if high is None else high
    return np.asarray(np.minimum(np.maximum(x, low), high))


def _cast(given: Attributes, x: Any) -> Any:
    """Casts to floating-point types and to booleans; None for integers, which would round."""
    if given.get("to") == onnx.TensorProto.BOOL:
        return np.asarray(x) != 0
    return np.asarray(x, np.float64) if given.get("to") in FLOATING else None


def _shrink(given: Attributes, x: Values) -> Values:
    threshold, bias = given.get("lambd", 0.5), given.get("bias", 0.0)
    return np.where(x < -threshold, x + bias, np.where(x > threshold, x - bias, 0.0))


def _fold(combine: Callable[[Any, Any], Any]) -> Operation:
    def operation(given: Attributes, first: Any, *others: Any) -> Any:
        for each in others:
            first = combine(first, each)
        return first

    return operation


def _plain(function: Callable[..., Any]) -> Operation:
    return lambda given, *inputs: function(*inputs)


def _first(given: Attributes, x: Any, *others: Any) -> Any:
    return x


OPERATIONS: dict[str, Operation] = {
    "Identity": _first, "Dropout": _first, "QuantizeLinear": _first, "DequantizeLinear": _first,
    "CastLike": _first, "Cast": _cast, "Neg": _plain(np.negative), "Abs": _plain(np.abs),
    "Exp": _plain(np.exp), "Log": _plain(np.log), "Sqrt": _plain(np.sqrt), "Erf": _plain(erf),
    "Reciprocal": _plain(np.reciprocal), "Tanh": _plain(np.tanh), "Sigmoid": _plain(sigmoid),
    "Sign": _plain(np.sign), "Sin": _plain(np.sin), "Cos": _plain(np.cos), "Atan": _plain(np.arctan),
    "Sinh": _plain(np.sinh), "Cosh": _plain(np.cosh), "Asinh": _plain(np.arcsinh),
    "Relu": lambda given, x: np.maximum(x, 0),
    "LeakyRelu": lambda given, x: np.where(x < 0, given.get("alpha", 0.01) * x, x),
    "PRelu": lambda given, x, slope: np.where(x < 0, slope * x, x),
    "ThresholdedRelu": lambda given, x: np.where(x > given.get("alpha", 1.0), x, 0.0),
    "Elu": lambda given, x: np.where(x < 0, given.get("alpha", 1.0) * np.expm1(x), x),
    "Celu": lambda given, x: np.where(
        x < 0, given.get("alpha", 1.0) * np.expm1(x / given.get("alpha", 1.0)), x
    ),
    "Selu": lambda given, x: given.get("gamma", 1.0507009873554805)
    * np.where(x < 0, given.get("alpha", 1.6732632423543772) * np.expm1(x), x),
    "HardSigmoid": lambda given, x: np.clip(given.get("alpha", 0.2) * x + given.get("beta", 0.5), 0, 1),
    "HardSwish": lambda given, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Softplus": _plain(softplus),
    "Softsign": lambda given, x: x / (1 + np.abs(x)),
    "Mish": lambda given, x: x * np.tanh(softplus(x)),
    "Swish": lambda given, x: x * sigmoid(given.get("alpha", 1.0) * x),
    "QuickGelu": lambda given, x: x * sigmoid(given.get("alpha", 1.702) * x),
    "Gelu": _gelu, "Shrink": _shrink, "Clip": _clip,
    "Add": _plain(np.add), "Sub": _plain(np.subtract), "Mul": _plain(np.multiply),
    "Div": _plain(np.true_divide), "Pow": _plain(np.power),
    "Sum": _fold(np.add), "Max": _fold(np.maximum), "Min": _fold(np.minimum),
    "Mean": lambda given, *inputs: sum(inputs) / len(inputs),
    "Where": lambda given, condition, yes, no: np.where(np.asarray(condition) != 0, yes, no),
    "Greater": _plain(np.greater), "GreaterOrEqual": _plain(np.greater_equal), "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal), "Equal": _plain(np.equal),
    "Not": lambda given, x: np.asarray(x) == 0,
    "And": lambda given, x, y: (np.asarray(x) != 0) & (np.asarray(y) != 0),
    "Or": lambda given, x, y: (np.asarray(x) != 0) | (np.asarray(y) != 0),
}  # fmt: skip
"""By operator, of ONNX and ONNX Runtime. Rounding is excluded: fake quantization is not an activation."""

CONDITIONS = frozenset({"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not", "And", "Or"})
"""Operators with boolean outputs, which are never feature maps."""

QUANTIZED: dict[str, tuple[str, tuple[int, ...]]] = {
    "QLinearSigmoid": ("Sigmoid", (0,)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
}
"""For ONNX Runtime's quantized operators: the operator on real numbers, and which inputs are codes."""

ONLY_FIRST = frozenset({"QuantizeLinear", "DequantizeLinear", "Dropout", "CastLike"})
"""Operators whose other inputs do not change the values of the first."""


def operands(node: onnx.NodeProto) -> tuple[str, Sequence[str]]:
    """The name of a node's operation, which may be a key of `OPERATIONS`, and its input tensors."""
    op, indices = QUANTIZED.get(node.op_type, (node.op_type, None))
    if indices is not None:
        return op, [node.input[index] if index < len(node.input) else "" for index in indices]
    return op, node.input[:1] if op in ONLY_FIRST else node.input


def apply(op: str, given: Attributes, inputs: Sequence[Any]) -> Any:
    """Apply an operator to arrays; None where it does not accept them.

    Attributes of non-standard operators may have any type.
    """
    try:
        with np.errstate(all="ignore"):
            result = OPERATIONS[op](given, *inputs)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError, AttributeError):
        return None
    return result if result is None or np.asarray(result).dtype.kind in "fiub" else None
