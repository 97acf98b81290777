"""Gradients of operators that choose between elements."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random


def test_where() -> None:
    inputs = {"x": random(2, 3, 1), "y": random(3, 4, seed=1)}
    condition = random(2, 1, 1, seed=2) > 0
    check([node("Where", "condition x y", "z")], inputs, {"condition": condition})


def test_where_by_a_comparison() -> None:
    """The condition depends on the input, but no gradient flows through it."""
    x = np.array([-4, 1, 4], np.float32)
    nodes = [node("Greater", "x zero", "positive"), node("Where", "positive x zero", "y")]
    model = model_of(nodes, {"x": x}, {"zero": np.float32(0)})
    np.testing.assert_array_equal(derived(model, {"x": x})[0], [0, 1, 1])


@pytest.mark.parametrize("operator", ["Min", "Max"])
@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (3,)], [(2, 1), (1, 4), ()]])
def test_extremes(operator: str, shapes: list[tuple[int, ...]]) -> None:
    inputs = {f"x{place}": np.asarray(random(*shape, seed=place)) for place, shape in enumerate(shapes)}
    check([node(operator, " ".join(inputs), "y")], inputs)


@pytest.mark.keras
@pytest.mark.parametrize("operator", ["Min", "Max"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), levels=st.integers(1, 4))
def test_equal_ones_share_as_in_torch(operator: str, seed: int, levels: int) -> None:
    """Numbers of few different values."""
    torch = find_torch()
    generator = np.random.default_rng(seed)
    a, b = (generator.integers(0, levels, (3, 4)).astype(np.float32) for _ in range(2))
    function = {"Min": torch.minimum, "Max": torch.maximum}[operator]
    check_with_torch([node(operator, "a b", "y")], {"a": a, "b": b}, function)
    function = {"Min": torch.amin, "Max": torch.amax}[operator]
    nodes = [node(f"Reduce{operator}", "x axes", "y", keepdims=0)]
    check_with_torch(nodes, {"x": a}, lambda x: function(x, (0, 1)), {"axes": np.array([0, 1])})


def test_each_of_three_equal_ones_has_a_third() -> None:
    x = np.zeros(2, np.float32)
    inputs = {"a": x, "b": x, "c": x}
    for found in derived(model_of([node("Max", "a b c", "y")], inputs), inputs):
        np.testing.assert_allclose(found, [1 / 3, 1 / 3])


def test_a_flat_picture_shares_among_all() -> None:
    x = np.full((1, 2, 3, 4), 0.25, np.float32)
    model = model_of([node("ReduceMax", "x axes", "y")], {"x": x}, {"axes": np.array([2, 3])})
    np.testing.assert_allclose(derived(model, {"x": x})[0], np.full(x.shape, 1 / 12), rtol=1e-6)
