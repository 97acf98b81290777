"""Elementwise operators as functions of arrays, each compared with ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx_graphs import build, node

from filterkit.graph.layers.elementwise import CONDITIONS, OPERATIONS, QUANTIZED, apply, operands

X = np.random.default_rng(0).normal(scale=3, size=(3, 40))
Y = np.random.default_rng(1).normal(size=(3, 40))
TRUTH = X > 0

UNARY = (
    *("Identity", "Neg", "Abs", "Exp", "Erf", "Reciprocal", "Tanh", "Sigmoid", "Sign", "Sin", "Cos", "Atan"),
    *("Sinh", "Cosh", "Asinh", "Relu", "LeakyRelu", "ThresholdedRelu", "Elu", "Celu", "Selu", "HardSigmoid"),
    *("HardSwish", "Softplus", "Softsign", "Mish", "Gelu", "Shrink", "Clip", "Dropout"),
)
BINARY = (
    *("Add", "Sub", "Mul", "Div", "PRelu", "Max", "Min", "Mean", "Sum"),
    *(CONDITIONS - {"Not", "And", "Or"}),
)
CASES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    *((op, {}, (X,)) for op in UNARY),
    *((op, {}, (X, Y)) for op in sorted(BINARY)),
    *((op, {}, (np.abs(X),)) for op in ("Log", "Sqrt")),
    ("Pow", {}, (np.abs(X), Y)),
    *((op, {"alpha": 0.3}, (X,)) for op in ("LeakyRelu", "ThresholdedRelu", "Elu", "Celu")),
    ("Selu", {"alpha": 1.2, "gamma": 0.7}, (X,)),
    ("HardSigmoid", {"alpha": 0.4, "beta": 0.1}, (X,)),
    ("Gelu", {"approximate": "tanh"}, (X,)),
    ("Shrink", {"lambd": 1.5, "bias": 0.5}, (X,)),
    ("Clip", {}, (X, np.array(-1.0), np.array(0.5))),
    ("Cast", {"to": TensorProto.FLOAT}, (X,)),
    ("Cast", {"to": TensorProto.BOOL}, (np.round(X),)),
    ("Sum", {}, (X, Y, X * 2)),
    ("Max", {}, (X, Y, Y * 2)),
    ("Mean", {}, (X, Y, Y * 2)),
    ("Where", {}, (TRUTH, X, Y)),
    ("Not", {}, (TRUTH,)),
    *((op, {}, (TRUTH, Y > 0)) for op in ("And", "Or")),
]


@pytest.mark.parametrize(("op", "given", "inputs"), CASES, ids=lambda value: str(value)[:20])
def test_every_operator_computes_as_onnxruntime_does(
    op: str, given: dict[str, Any], inputs: tuple[Any, ...]
) -> None:
    feeds = {f"i{place}": value if value.dtype == bool else value.astype(np.float32)
             for place, value in enumerate(inputs)}  # fmt: skip
    model = build([node(op, " ".join(feeds), "y", **given)], dict.fromkeys(feeds), opset=20)
    for value in model.graph.input:
        if feeds[value.name].dtype == bool:
            value.type.tensor_type.elem_type = TensorProto.BOOL
    model.graph.output[0].ClearField("type")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, feeds)[0]
    doubles = [value if value.dtype == bool else value.astype(np.float64) for value in feeds.values()]
    np.testing.assert_allclose(apply(op, given, doubles), expected, rtol=2e-4, atol=1e-5)


def test_no_operator_is_left_out() -> None:
    elsewhere = {"QuantizeLinear", "DequantizeLinear", "CastLike", "Swish", "QuickGelu"}
    assert {op for op, _, _ in CASES} == set(OPERATIONS) - elsewhere


@pytest.mark.parametrize("op", ["Swish", "QuickGelu"])
def test_gates_of_a_scale(op: str) -> None:
    for alpha in (1.0, 0.5, 1.702):
        expected = X / (1 + np.exp(-alpha * X))
        np.testing.assert_allclose(apply(op, {"alpha": alpha}, [X]), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("op", "given", "inputs"),
    [
        ("LeakyRelu", {"alpha": "much"}, [X]),
        ("Relu", {}, [X, Y]),
        ("Add", {}, [X, None]),
        ("Add", {}, [X, Y[:, :3]]),
        ("Cast", {"to": TensorProto.INT32}, [X]),
        ("Identity", {}, [np.array("text")]),
    ],
)
def test_what_is_not_accepted_is_none(op: str, given: dict[str, Any], inputs: list[Any]) -> None:
    assert apply(op, given, inputs) is None


def test_operands_of_quantized_operators_are_the_codes() -> None:
    add = onnx.helper.make_node("QLinearAdd", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"])
    assert operands(add) == ("Add", ["a", "b"])
    for op, (plain, _) in QUANTIZED.items():
        assert operands(onnx.helper.make_node(op, ["a"], ["y"]))[0] == plain in OPERATIONS
    assert list(operands(onnx.helper.make_node("DequantizeLinear", ["a", "s", "z"], ["y"]))[1]) == ["a"]
