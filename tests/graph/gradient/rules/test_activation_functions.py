"""Gradients of activation functions and of functions of single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of, rules, run
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random
from scipy.special import erf, expit, ndtr

from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.testing import build_model

X = random(2, 3, 4, seed=3)

STANDARD: dict[str, tuple[dict[str, Any], str]] = {
    "Relu": ({}, "torch.relu(x)"),
    "ThresholdedRelu": ({"alpha": 0.3}, "F.threshold(x, 0.3, 0)"),
    "LeakyRelu": ({"alpha": 0.2}, "F.leaky_relu(x, 0.2)"),
    "Elu": ({"alpha": 0.7}, "F.elu(x, 0.7)"),
    "Selu": ({}, "F.selu(x)"),
    "Celu": ({"alpha": 0.6}, "F.celu(x, 0.6)"),
    "Sigmoid": ({}, "torch.sigmoid(x)"),
    "HardSigmoid": ({"alpha": 1 / 6, "beta": 0.5}, "F.hardsigmoid(x)"),
    "HardSwish": ({}, "F.hardswish(x)"),
    "Tanh": ({}, "torch.tanh(x)"),
    "Softplus": ({}, "F.softplus(x, threshold=1e6)"),
    "Softsign": ({}, "F.softsign(x)"),
    "Mish": ({}, "F.mish(x)"),
    "Gelu": ({}, "F.gelu(x)"),
    "Swish": ({"alpha": 1.25}, "x * torch.sigmoid(1.25 * x)"),
    "Erf": ({}, "torch.erf(x)"),
    "Exp": ({}, "torch.exp(x)"),
    "Abs": ({}, "torch.abs(x)"),
    "Neg": ({}, "-x"),
    "Reciprocal": ({}, "1 / x"),
    "Sin": ({}, "torch.sin(x)"),
    "Cos": ({}, "torch.cos(x)"),
    "Tan": ({}, "torch.tan(x / 8 * 8)"),
    "Sinh": ({}, "torch.sinh(x)"),
    "Cosh": ({}, "torch.cosh(x)"),
    "Atan": ({}, "torch.atan(x)"),
    "Asinh": ({}, "torch.asinh(x)"),
}
POSITIVE = {"Log": "torch.log(x)", "Sqrt": "torch.sqrt(x)"}
"""Of positive numbers only."""
FRACTIONS = {"Asin": "torch.asin(x)", "Acos": "torch.acos(x)", "Atanh": "torch.atanh(x)"}
"""Of numbers below 1 only."""
IN_FLOAT64 = {
    "Erf": erf,
    "Gelu": lambda x: x * ndtr(x),
    "Swish": lambda x: x * expit(1.25 * x),
}
"""Functions that onnx's reference implementation computes in float32, or that it lacks."""
OPSETS = {"Gelu": 20, "Swish": 24}


def node_of(operator: str, **given: Any) -> Any:
    return node(operator, "x", "y", **given)


def domain_of(operator: str, x: np.ndarray) -> np.ndarray:
    """Move numbers to where a function is defined, and away from poles."""
    if operator in POSITIVE or operator == "Reciprocal":
        return np.abs(x) + np.float32(0.1)
    if operator in FRACTIONS or operator == "Tan":
        return np.tanh(x) * np.float32(0.9)
    return np.abs(x) + np.float32(1.1) if operator == "Acosh" else x


ALL = {
    **STANDARD,
    **{name: ({}, code) for name, code in {**POSITIVE, **FRACTIONS, "Acosh": "torch.acosh(x)"}.items()},
}


@pytest.mark.parametrize("operator", ALL)
def test_finite_differences(operator: str) -> None:
    check(
        [node_of(operator, **ALL[operator][0])],
        {"x": domain_of(operator, X)},
        opset=OPSETS.get(operator, 18),
        function=IN_FLOAT64.get(operator),
    )


@pytest.mark.keras
@pytest.mark.parametrize("operator", ALL)
@settings(max_examples=3, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.lists(st.integers(1, 4), max_size=4),
    scale=st.sampled_from([0.1, 1, 4]),
)
def test_torch(operator: str, seed: int, shape: list[int], scale: float) -> None:
    torch = find_torch()
    x = np.asarray(domain_of(operator, np.asarray(random(*shape, seed=seed)) * np.float32(scale)))
    attributes, code = ALL[operator]
    names = {"torch": torch, "F": torch.nn.functional}
    check_with_torch(
        [node_of(operator, **attributes)],
        {"x": x},
        lambda x: eval(code, names, {"x": x}),
        opset=OPSETS.get(operator, 18),
        least=0.1,  # a slope near 0, alone, is a difference of larger numbers
    )


def test_gelu_by_tanh() -> None:
    check([node_of("Gelu", approximate="tanh")], {"x": X}, opset=20)


@pytest.mark.parametrize(("operator", "like"), [("Gelu", "Gelu"), ("QuickGelu", None), ("FastGelu", "tanh")])
def test_activations_of_onnx_runtime(operator: str, like: str | None) -> None:
    inner = node(operator, "x", "y", domain="com.microsoft")
    (found,) = derived(model_of([inner], {"x": X}), {"x": X})
    x = X.astype(np.float64)
    gate = 1 / (1 + np.exp(-1.702 * x))
    if like is None:
        expected = gate + x * gate * (1 - gate) * 1.702
    else:
        given = {"approximate": "tanh"} if like == "tanh" else {}
        (expected,) = derived(model_of([node_of("Gelu", **given)], {"x": X}, opset=20), {"x": X})
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("operator", ["BiasGelu", "FastGelu"])
@pytest.mark.parametrize("is_constant", [True, False])
def test_gelu_of_a_sum(operator: str, is_constant: bool) -> None:
    """With a bias, which is added to the last axis."""
    bias = {"b": random(4, seed=1)}
    inputs, constants = ({"x": X}, bias) if is_constant else ({"x": X, **bias}, {})
    found = derived(model_of([node(operator, "x b", "y", domain="com.microsoft")], inputs, constants), inputs)
    given = {} if operator == "BiasGelu" else {"approximate": "tanh"}
    plain = model_of([node("Add", "x b", "s"), node("Gelu", "s", "y", **given)], inputs, constants, opset=20)
    for one, other in zip(found, derived(plain, inputs), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize("limits", [(-0.5, 0.8), (0.0, 6.0), (-0.5, None), (None, 0.8), (None, None)])
def test_clip(limits: tuple[float | None, float | None]) -> None:
    names = [name if limit is not None else "_" for name, limit in zip(("low", "high"), limits, strict=True)]
    constants = {
        name: np.float32(limit)
        for name, limit in zip(("low", "high"), limits, strict=True)
        if limit is not None
    }
    check([node("Clip", " ".join(["x", *names]), "y")], {"x": X * 3}, constants)


def test_clip_of_old_opsets() -> None:
    check([node("Clip", "x", "y", min=-0.5, max=0.8)], {"x": X}, opset=9)


def test_clip_of_old_opsets_in_half_precision() -> None:
    """onnx converts its limits to float32."""
    x = {"x": np.array([-1, 0.25, 1], np.float16)}
    model = build_model([node("Clip", "x", "y", min=-0.5, max=0.8)], {"x": [3]}, opset=9, dtype=10)
    np.testing.assert_array_equal(derived(model, x)[0], [0, 1, 0])


@pytest.mark.parametrize("shape", [(3, 1), (1,), (2, 3, 4)])
def test_prelu(shape: tuple[int, ...]) -> None:
    check([node("PRelu", "x slope", "y")], {"x": X, "slope": random(*shape, seed=9)})


@pytest.mark.parametrize(
    ("operator", "at", "slopes"),
    [
        ("Relu", [-1, 0, 1], [0, 0, 1]),
        ("Abs", [-1, 0, 1], [-1, 0, 1]),
        ("LeakyRelu", [-1, 0, 1], [0.01, 0.01, 1]),
        ("HardSigmoid", [-2.5, 0, 2.5], [0, 0.2, 0]),
    ],
)
def test_slopes_at_kinks(operator: str, at: list[float], slopes: list[float]) -> None:
    x = np.array(at, np.float32)
    np.testing.assert_array_equal(
        derived(model_of([node_of(operator)], {"x": x}), {"x": x})[0], np.array(slopes, np.float32)
    )


def test_clip_at_its_limits_has_no_slope() -> None:
    x = np.array([-1, 0, 3, 6, 7], np.float32)
    model = model_of(
        [node("Clip", "x low high", "y")], {"x": x}, {"low": np.float32(0), "high": np.float32(6)}
    )
    np.testing.assert_array_equal(derived(model, {"x": x})[0], [0, 0, 1, 0, 0])


@pytest.mark.parametrize("channels", [3, 16])
def test_relu_in_maps_is_exact(channels: int) -> None:
    """From the smallest number to the largest one; ONNX Runtime computes 16 channels in blocks."""
    numbers = np.array([-1, -1e-45, 0, 1e-45, 1e-38, 1, 1e20, 1e36], np.float32)
    x = np.stack([np.roll(numbers, shift) for shift in range(channels)]).reshape(1, channels, 2, 4)
    weights = {"w": np.ones((channels, 1, 1, 1), np.float32)}
    for before in ([], [node("Conv", "x w", "c", group=channels)]):
        model = model_of([*before, node("Relu", "c" if before else "x", "y")], {"x": x}, weights)
        np.testing.assert_array_equal(derived(model, {"x": x})[0], x > 0)


@pytest.mark.parametrize("rank", [2, 4])
def test_relu_stops_an_infinite_gradient(rank: int) -> None:
    x = np.array([-4, 4], np.float32).reshape(1, 2, *[1] * (rank - 2))
    (found,) = derived(model_of([node("Relu", "x", "r"), node("Sqrt", "r", "y")], {"x": x}), {"x": x})
    np.testing.assert_array_equal(found.ravel(), [0, 0.25])


def test_relu_for_other_providers() -> None:
    """Where ONNX Runtime has kernels for conditions, as on CUDA, the result is the same."""
    x = random(1, 16, 5, 6, seed=4)
    model = model_of([node("Relu", "x", "y")], {"x": x})
    graphs = [gradient(model, Target("y"), "x", rules=rules(), provider=name) for name in ("cpu", "cuda")]
    assert [any(each.op_type == "Where" for each in graph.graph.node) for graph in graphs] == [False, True]
    np.testing.assert_array_equal(*(run(graph, {"x": x})[1] for graph in graphs))
