"""Nodes that are an activation, by their operator or by the values that they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import node
from tails import RELU, bank


def test_gate_that_differs_by_channel_is_a_swish() -> None:
    nodes = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "c g", "y")]
    assert bank(*nodes, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1)).activation == "swish"
    assert bank(*nodes, factors=np.ones((4, 1, 1), np.float32)).activation == "silu"
    gate = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "m g", "y")]
    found = bank(*gate, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1))
    assert found.activation == "silu", "a scale first, and SiLU of what it makes"


@pytest.mark.parametrize("constant", [3.0, [[[3.0]]] * 4])
def test_constants_of_a_formula_are_not_a_bias(constant: Any) -> None:
    nodes = [node("Add", "c k", "a"), node("Clip", "a zero six", "d"), node("Div", "d six", "y")]
    found = bank(*nodes, k=np.array(constant, np.float32))
    assert (found.activation, found.bias, found.pre_tensor) == ("hard_sigmoid", None, "c")
    found = bank(*nodes[:2], k=np.array(constant, np.float32))
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("relu6", "a", "d")
    np.testing.assert_array_equal(found.bias, np.full(4, 3, np.float32))


@pytest.mark.parametrize(
    ("alpha", "name"), [(0, "relu"), (-1, "abs"), (-0.5, "leaky_relu"), (1, "leaky_relu")]
)
def test_slopes_that_make_another_activation(alpha: float, name: str) -> None:
    assert bank(node("LeakyRelu", "c", "y", alpha=float(alpha))).activation == name
    slopes = np.full((4, 1, 1), alpha, np.float32)
    assert bank(node("PRelu", "c slopes", "y"), slopes=slopes).activation == name.replace("leaky_", "p")


def test_clip_without_bounds_is_not_an_activation() -> None:
    assert bank(node("Clip", "c", "z"), RELU).activation == "relu"
    lowest, highest = np.float32(-3.4e38), np.float32(3.4e38)
    assert bank(node("Clip", "c low high", "y"), low=lowest, high=highest).activation is None
    assert bank(node("Clip", "c low six", "y"), low=lowest).activation == "clip"


def test_conditions_cast_to_booleans() -> None:
    """The hard shrinkage of PyTorch."""
    nodes = [
        node("Greater", "c half", "g"),
        node("Less", "c minus", "l"),
        node("Cast", "g", "gb", to=TensorProto.BOOL),
        node("Cast", "l", "lb", to=TensorProto.BOOL),
        node("Or", "gb lb", "o"),
        node("Where", "o c zero", "y"),
    ]
    assert bank(*nodes, minus=np.float32(-0.5)).activation == "hard_shrink"
