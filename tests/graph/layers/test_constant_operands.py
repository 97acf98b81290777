"""Constants beside a layer's output: for a channel, for each position, or of the shape of the layer."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import banks, build, node, opened, random
from tails import CONSTANTS, PICTURE, bank


def test_zeros_like_the_layer() -> None:
    nodes = [node("Shape", "c", "shape"), node("ConstantOfShape", "shape", "o"), node("Max", "c o", "y")]
    assert bank(*nodes).activation == "relu"
    nodes = [
        node("Shape", "c", "shape"),
        node("Expand", "six shape", "o"),
        node("Relu", "c", "p"),
        node("Min", "p o", "y"),
    ]
    assert bank(*nodes).activation == "relu6"


def test_folded_zeros_like_the_layer() -> None:
    found = bank(node("Max", "c map", "y"), map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation == "relu"
    found = bank(node("Max", "c map", "y"), shape=[1, 3, 3, 3], map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation is None, "it makes a picture of one pixel larger"


def test_prelu_slope_for_every_position() -> None:
    """The PReLU of Keras, unless axes are shared."""
    nodes = [
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Relu", "t", "p"),
        node("Neg", "t", "q"),
        node("Relu", "q", "n"),
        node("Mul", "n slopes", "m"),
        node("Add", "p m", "y"),
    ]
    found = bank(*nodes, slopes=-np.abs(random(6, 6, 4)))
    assert (found.activation, found.post_tensor, found.post_layout) == ("prelu", "y", "NHWC")
    found = bank(*nodes, slopes=-np.abs(random(5, 6, 6, 4)))
    assert found.activation is None, "it makes five pictures of one"


def test_zeros_are_a_bias() -> None:
    """A bias that was never trained."""
    nodes = [node("Add", "c k", "a"), node("HardSigmoid", "a", "g"), node("Mul", "a g", "y")]
    found = bank(*nodes, k=np.zeros((4, 1, 1), np.float32))
    assert (found.activation, found.pre_tensor) == ("hard_swish", "a") and found.bias is not None


def test_single_channel_may_have_a_bias_of_zero() -> None:
    nodes = [node("Conv", "x w", "c"), node("Add", "c k", "a"), node("Relu", "a", "y")]
    for value in (0, 0.3):
        constants = {"w": random(1, 3, 3, 3), "k": np.full(1, value, np.float32)}
        found = banks(opened(build(nodes, {"x": PICTURE}, constants)))[0]
        assert (found.pre_tensor, found.activation) == ("a", "relu")
        np.testing.assert_array_equal(found.bias, constants["k"])


def test_sum_of_several_constants_is_the_bias() -> None:
    found = bank(node("Sum", "column c half", "a"), node("Relu", "a", "y"))
    assert found.bias is not None
    np.testing.assert_allclose(found.bias, CONSTANTS["column"].ravel() + 0.5, rtol=1e-6)
    assert (found.activation, found.pre_tensor) == ("relu", "a")
    assert bank(node("Sum", "column c r", "a"), node("Relu", "a", "y")).bias is None


@pytest.mark.parametrize("last", ["Relu", "Identity"])
def test_subtracted_constant_is_a_bias(last: str) -> None:
    found = bank(node("Sub", "c shift", "d"), node(last, "d", "y"), shift=random(4, 1, 1))
    assert found.bias is not None
    np.testing.assert_array_equal(found.bias, -random(4, 1, 1).ravel())
    assert found.pre_tensor == "d"
    assert found.activation == ("relu" if last == "Relu" else None)
