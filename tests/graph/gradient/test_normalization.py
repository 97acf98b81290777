"""Gradients of normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError

X = random(2, 4, 3, 4, seed=2)


def scales(count: int) -> dict[str, np.ndarray]:
    """Scale, offset, mean and variance."""
    values = {name: random(count, seed=seed) for seed, name in enumerate("sbm")}
    return {**values, "v": np.abs(random(count, seed=7)) + np.float32(0.1)}


@pytest.mark.parametrize("opset", [7, 9, 14, 18])
def test_batch_norm(opset: int) -> None:
    nodes = [node("BatchNormalization", "x s b m v", "y", epsilon=1e-3)]
    check(nodes, {"x": X}, scales(4), opset=opset, step=0.5)


def test_batch_norm_of_vectors() -> None:
    check([node("BatchNormalization", "x s b m v", "y")], {"x": random(3, 4)}, scales(4), step=0.5)


def test_batch_norm_in_training_mode_is_refused() -> None:
    nodes = [node("BatchNormalization", "x s b m v", "y rm rv", "bn", training_mode=1)]
    with pytest.raises(
        ModelError, match=r"'bn' \(BatchNormalization\) has no gradient: it is in training mode"
    ):
        derived(model_of(nodes, {"x": X}, scales(4)), {"x": X})


@pytest.mark.parametrize(
    ("operator", "names", "count", "given", "opset"),
    [
        ("InstanceNormalization", "x s b", 4, {"epsilon": 1e-2}, 18),
        ("GroupNormalization", "x s b", 4, {"num_groups": 2}, 21),
        ("GroupNormalization", "x s b", 2, {"num_groups": 2}, 18),
    ],
)
def test_norms_of_maps(operator: str, names: str, count: int, given: dict[str, Any], opset: int) -> None:
    constants = {name: scales(count)[name] for name in names.split()[1:]}
    scale, offset = (np.repeat(constants[name], 4 // count)[:, None, None] for name in "sb")
    groups = given.get("num_groups", 4)

    def function(x: np.ndarray) -> np.ndarray:
        normalized = standardized(x.reshape(2, groups, -1), (2,), given.get("epsilon", 1e-5))
        return normalized.reshape(x.shape) * scale + offset

    check([node(operator, names, "y", **given)], {"x": X}, constants, opset=opset, function=function)


@pytest.mark.parametrize("axes", [(0, 2, 3), (2, 3)])
def test_mean_variance_normalization(axes: tuple[int, ...]) -> None:
    nodes = [node("MeanVarianceNormalization", "x", "y", axes=axes)]
    check(nodes, {"x": X}, opset=13, function=lambda x: standardized(x, axes, 0))


def standardized(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_layer_norm(axis: int) -> None:
    shape = X.shape[axis:]
    constants = {"s": random(*shape, seed=1), "b": random(*shape, seed=2)}

    def function(x: np.ndarray) -> np.ndarray:
        return standardized(x, tuple(range(axis % 4, 4)), 1e-5) * constants["s"] + constants["b"]

    nodes = [node("LayerNormalization", "x s b", "y", axis=axis)]
    check(nodes, {"x": X}, constants, function=function)


def test_rms_norm() -> None:
    scale = random(4, seed=1)
    nodes = [node("RMSNormalization", "x s", "y", axis=-1)]
    check(
        nodes,
        {"x": X},
        {"s": scale},
        opset=23,
        function=lambda x: x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) * scale,
    )


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_lrn(size: int) -> None:
    nodes = [node("LRN", "x", "y", size=size, alpha=0.3, beta=0.6, bias=1.5)]

    def function(x: np.ndarray) -> np.ndarray:
        half = (size - 1) // 2
        squares = np.pad(x**2, [(0, 0), (half, half), (0, 0), (0, 0)])
        total = sum(squares[:, shift : shift + 6] for shift in range(size))
        return x / (1.5 + 0.3 / size * total) ** 0.6  # type: ignore[no-any-return]

    check(nodes, {"x": random(2, 6, 2, 2)}, function=function)


def test_a_constant_map_has_a_finite_gradient() -> None:
    x = {"x": np.full((1, 1, 4, 4), 3, np.float32)}
    constants = {"s": np.ones(1, np.float32), "b": np.zeros(1, np.float32)}
    (found,) = derived(model_of([node("InstanceNormalization", "x s b", "y")], x, constants), x)
    np.testing.assert_allclose(found, 0, atol=1e-3)


@pytest.mark.keras
@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("operator", ["instance", "group", "layer", "local_response"])
def test_torch(operator: str, data: st.DataObject) -> None:
    torch = find_torch()
    F = torch.nn.functional
    space = data.draw(st.lists(st.integers(3, 5), min_size=2, max_size=2))
    x = random(data.draw(st.integers(1, 2)), 4, *space, seed=data.draw(st.integers(10, 99)))
    scale, offset = random(4, seed=1), random(4, seed=2)
    s, b = torch.tensor(scale, dtype=torch.float64), torch.tensor(offset, dtype=torch.float64)
    constants, opset = {"s": scale, "b": offset}, 21
    if operator == "instance":
        nodes = [node("InstanceNormalization", "x s b", "y")]
        function = lambda x: F.instance_norm(x, weight=s, bias=b)  # noqa: E731
    elif operator == "group":
        nodes = [node("GroupNormalization", "x s b", "y", num_groups=2)]
        function = lambda x: F.group_norm(x, 2, s, b)  # noqa: E731
    elif operator == "layer":
        constants = {"s": np.ones(space, np.float32), "b": np.zeros(space, np.float32)}
        nodes = [node("LayerNormalization", "x s b", "y", axis=2)]
        function = lambda x: F.layer_norm(x, space)  # noqa: E731
    else:
        constants = {}
        nodes = [node("LRN", "x", "y", size=3, alpha=0.3, beta=0.6, bias=1.5)]
        function = lambda x: F.local_response_norm(x, 3, 0.3, 0.6, 1.5)  # noqa: E731
    check_with_torch(nodes, {"x": x}, function, constants, opset=opset)
