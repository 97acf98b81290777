"""Other ways back: guided, deconvnet, linear."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_checks import derived, model_of
from onnx_graphs import node, random

from filterkit.errors import UsageError

X = {"x": np.array([-2, -1, 0, 1, 2, 7], np.float32)}
SIGNS = {"r": np.array([1, -1, 1, -1, 3, -2], np.float32), "low": np.float32(0), "high": np.float32(6)}


def back(activation: object, override: str | None) -> list[float]:
    nodes = [activation, node("Mul", "a r", "y")]
    return derived(model_of(nodes, X, SIGNS), X, override=override)[0].tolist()


@pytest.mark.parametrize(
    ("override", "relu", "relu6"),
    [
        (None, [0, 0, 0, -1, 3, -2], [0, 0, 0, -1, 3, 0]),
        ("guided", [0, 0, 0, 0, 3, 0], [0, 0, 0, 0, 3, 0]),
        ("deconvnet", [1, 0, 1, 0, 3, 0], [1, 0, 1, 0, 3, 0]),
        ("linear", [1, -1, 1, -1, 3, -2], [1, -1, 1, -1, 3, -2]),
    ],
)
def test_rectifiers(override: str | None, relu: list[float], relu6: list[float]) -> None:
    assert back(node("Relu", "x", "a"), override) == relu
    assert back(node("Clip", "x low high", "a"), override) == relu6


@pytest.mark.parametrize("override", ["guided", "deconvnet"])
def test_other_activations_keep_their_gradient(override: str) -> None:
    assert back(node("Tanh", "x", "a"), override) == back(node("Tanh", "x", "a"), None)
    assert back(node("Clip", "x _ high", "a"), override) == back(node("Clip", "x _ high", "a"), None)


def test_linear_pooling_is_the_mean() -> None:
    x = {"x": random(1, 2, 6, 6)}
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]}
    (found,) = derived(model_of([node("MaxPool", "x", "y", **attributes)], x), x, override="linear")
    (mean,) = derived(model_of([node("AveragePool", "x", "y", **attributes)], x), x)
    np.testing.assert_array_equal(found, mean)
    (found,) = derived(model_of([node("GlobalMaxPool", "x", "y")], x), x, override="linear")
    np.testing.assert_allclose(found, 1 / 36)


def test_linear_is_the_product_of_the_weights() -> None:
    """Without gating, two convolutions are one."""
    x, first, second = {"x": random(1, 2, 5, 5)}, random(3, 2, 3, 3, seed=1), random(4, 3, 3, 3, seed=2)
    nodes = [node("Conv", "x v", "c"), node("Sigmoid", "c", "a"), node("Conv", "a w", "y")]
    (found,) = derived(model_of(nodes, x, {"v": first, "w": second}), x, override="linear")
    (plain,) = derived(model_of([nodes[0], node("Conv", "c w", "y")], x, {"v": first, "w": second}), x)
    np.testing.assert_allclose(found, plain, rtol=1e-5)


def test_unknown_override() -> None:
    with pytest.raises(UsageError, match="unknown override 'guide'") as caught:
        back(node("Relu", "x", "a"), "guide")
    assert caught.value.hint == "did you mean 'guided'?"
