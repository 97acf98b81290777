"""Gradients of reductions, of Softmax and of cumulative sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

SUMS = {
    "ReduceSum": "x.sum(axes, keep)",
    "ReduceMean": "x.mean(axes, keep)",
    "ReduceSumSquare": "(x * x).sum(axes, keep)",
    "ReduceL1": "x.abs().sum(axes, keep)",
    "ReduceL2": "torch.linalg.vector_norm(x, dim=axes, keepdim=keep)",
    "ReduceLogSum": "x.sum(axes, keep).log()",
    "ReduceLogSumExp": "torch.logsumexp(x, axes, keep)",
    "ReduceMax": "torch.amax(x, axes, keep)",
    "ReduceMin": "torch.amin(x, axes, keep)",
    "ReduceProd": "",
}
"""Operators, and what they are in torch."""


def numbers(operator: str, *shape: int, seed: int = 0) -> Any:
    x = random(*shape, seed=seed)
    return np.abs(x) + np.float32(0.1) if operator == "ReduceLogSum" else x


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[1], [0, -1], [2, 1, 0]])
@pytest.mark.parametrize("operator", SUMS)
def test_axes(operator: str, axes: list[int], keep: int) -> None:
    nodes = [node(operator, "x axes", "y", keepdims=keep)]
    check(nodes, {"x": numbers(operator, 2, 3, 4)}, {"axes": np.array(axes)})


@pytest.mark.parametrize("operator", SUMS)
@pytest.mark.parametrize("given", [{}, {"axes": [0, 2]}])
def test_axes_as_attribute(operator: str, given: dict[str, Any]) -> None:
    check([node(operator, "x", "y", **given)], {"x": numbers(operator, 2, 3, 2)}, opset=11)


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceLogSumExp"])
@pytest.mark.parametrize("noop", [0, 1])
def test_no_axes(operator: str, noop: int) -> None:
    nodes = [node(operator, "x axes", "y", noop_with_empty_axes=noop)]
    check(nodes, {"x": random(2, 3)}, {"axes": np.zeros(0, np.int64)}, step=1e-3, tolerance=2e-3)


@pytest.mark.keras
@pytest.mark.parametrize("operator", [name for name, code in SUMS.items() if code])
@settings(max_examples=8, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_reductions_in_torch(operator: str, data: st.DataObject, seed: int) -> None:
    torch = find_torch()
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    places = st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True)
    axes, keep = data.draw(places), data.draw(st.booleans())
    names = {"torch": torch, "axes": axes, "keep": keep}
    check_with_torch(
        [node(operator, "x axes", "y", keepdims=int(keep))],
        {"x": numbers(operator, *shape, seed=seed)},
        lambda x: eval(SUMS[operator], names, {"x": x}),
        {"axes": np.array(axes)},
    )


@pytest.mark.parametrize("operator", ["ReduceL1", "ReduceL2"])
def test_no_slope_where_all_is_zero(operator: str) -> None:
    x = np.zeros((2, 3), np.float32)
    model = model_of([node(operator, "x axes", "y")], {"x": x}, {"axes": np.array([1])})
    np.testing.assert_array_equal(derived(model, {"x": x})[0], x)


def test_products_with_zeros() -> None:
    """The only zero has a slope, the product of the others; of two, neither has."""
    x = np.array([[2, 3, 4], [2, 0, 4], [0, 0, 4]], np.float32)
    model = model_of([node("ReduceProd", "x axes", "y")], {"x": x}, {"axes": np.array([1])})
    np.testing.assert_array_equal(derived(model, {"x": x})[0], [[12, 8, 6], [0, 8, 0], [0, 0, 0]])


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_softmax(operator: str, axis: int) -> None:
    check([node(operator, "x", "y", axis=axis)], {"x": random(2, 3, 4)})


@pytest.mark.keras
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_of_old_opsets_flattens(operator: str, axis: int) -> None:
    """Over all axes from `axis` on."""
    torch = find_torch()
    function = getattr(torch, {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[operator])
    check_with_torch(
        [node(operator, "x", "y", axis=axis)],
        {"x": random(2, 3, 4)},
        lambda x: function(x.reshape(int(np.prod(x.shape[:axis])), -1), 1).reshape(x.shape),
        opset=11,
    )


def test_hardmax_is_a_step() -> None:
    x = {"x": random(2, 3)}
    nodes = [node("Hardmax", "x", "h", axis=1), node("Mul", "x h", "y")]
    (found,) = derived(model_of(nodes, x), x)
    np.testing.assert_array_equal(found, x["x"] == x["x"].max(axis=1, keepdims=True))


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumulative_sums(exclusive: int, reverse: int) -> None:
    nodes = [node("CumSum", "x axis", "y", exclusive=exclusive, reverse=reverse)]
    check(nodes, {"x": random(2, 3, 4)}, {"axis": np.array(1)})
