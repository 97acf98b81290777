"""Gradients of arithmetic with broadcasting."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx_graphs import node, random

SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1, 3), (4, 1)),
    ((1, 3), (2, 1)),
    ((), (2, 2)),
    ((1,), (1, 1, 2)),
]
OPERATORS = {
    "Add": "a + b",
    "Sub": "a - b",
    "Mul": "a * b",
    "Div": "a / b",
    "Sum": "a + b",
    "Mean": "(a + b) / 2",
}


def pair(one: tuple[int, ...], other: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """Two arrays, the second away from 0."""
    a, b = (np.asarray(random(*shape, seed=seed + place)) for place, shape in enumerate((one, other)))
    return {"a": a, "b": np.asarray(b + np.copysign(np.float32(0.5), b))}


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_finite_differences(operator: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    check([node(operator, "a b", "y")], pair(*shapes), step=0.5 if operator == "Mean" else None)


@pytest.mark.keras
@settings(max_examples=10, deadline=None)
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), seed=st.integers(0, 999)
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_torch(operator: str, shapes: hnp.BroadcastableShapes, seed: int) -> None:
    find_torch()
    inputs = pair(*shapes.input_shapes, seed=seed)
    check_with_torch(
        [node(operator, "a b", "y")], inputs, lambda a, b: eval(OPERATORS[operator], {"a": a, "b": b})
    )


@pytest.mark.parametrize("operator", ["Sum", "Mean"])
def test_any_number_of_inputs(operator: str) -> None:
    inputs = {"a": random(2, 3), "b": random(3, seed=1), "c": random(2, 1, seed=2)}
    check([node(operator, "a b c", "y")], inputs)
    check([node(operator, "a", "y")], {"a": random(2, 3)})


def test_a_tensor_that_is_used_twice() -> None:
    nodes = [
        node("Mul", "x x", "s"),
        node("Add", "s x", "t"),
        node("Sub", "t s", "u"),
        node("Mul", "u s", "y"),
    ]
    check(nodes, {"x": random(3, 2)})


@pytest.mark.parametrize("exponent", [-2.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_powers(exponent: float) -> None:
    base = {"x": np.abs(random(2, 3)) + np.float32(0.2)}
    check([node("Pow", "x e", "y")], base, {"e": np.float32(exponent)})
    check([node("Pow", "x e", "y")], base, {"e": np.full((2, 3), exponent, np.float32)})


def test_powers_of_a_variable_exponent() -> None:
    inputs = {"x": np.abs(random(2, 3)) + np.float32(0.2), "e": random(3, seed=1)}
    check([node("Pow", "x e", "y")], inputs)


def test_integer_exponent() -> None:
    check([node("Pow", "x e", "y")], {"x": random(2, 3)}, {"e": np.array([1, 2, 3])})


@pytest.mark.keras
def test_powers_of_zero() -> None:
    """0**0, 0**1 and 0**2 have finite slopes."""
    find_torch()
    x = {"x": np.zeros(3, np.float32)}
    exponents = np.array([0, 1, 2], np.float32)
    torch = find_torch()
    check_with_torch([node("Pow", "x e", "y")], x, lambda x: x ** torch.tensor(exponents), {"e": exponents})


@pytest.mark.parametrize("operator", ["Floor", "Ceil", "Round", "Sign"])
def test_steps_have_no_slope(operator: str) -> None:
    x = {"x": random(2, 3)}
    nodes = [node(operator, "x", "f"), node("Sub", "x f", "y")]
    np.testing.assert_array_equal(derived(model_of(nodes, x), x)[0], 1)
