"""Bias, batch norm and activation after a convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import banks, build, node, opened, random

from filterkit.records import FilterBank

WEIGHTS: dict[str, Any] = {
    "w": random(4, 3, 3, 3),
    "b": random(4, seed=1),
    "column": random(1, 4, 1, 1, seed=2),
    "s": np.float32(0.5), "zero": np.float32(0), "six": np.float32(6), "slope": random(4, 1, 1),
    "map": random(1, 4, 6, 6),
}  # fmt: skip


def bank(*following: onnx.NodeProto, opset: int = 17, **more: Any) -> FilterBank:
    """The bank of ``x -> Conv -> c``, followed by some nodes, of which the last computes the output."""
    used = {name for one in following for name in one.input} | {"w"}
    constants = {name: value for name, value in (WEIGHTS | more).items() if name in used}
    model = build([node("Conv", "x w", "c"), *following], {"x": [1, 3, 8, 8]}, constants, opset=opset)
    return banks(opened(model))[0]


@pytest.mark.parametrize(
    ("nodes", "activation"),
    [
        ([node("Relu", "c", "y")], "relu"),
        ([node("LeakyRelu", "c", "y")], "leaky_relu"),
        ([node("PRelu", "c slope", "y")], "prelu"),
        ([node("Elu", "c", "y")], "elu"),
        ([node("Selu", "c", "y")], "selu"),
        ([node("Sigmoid", "c", "y")], "sigmoid"),
        ([node("HardSigmoid", "c", "y")], "hard_sigmoid"),
        ([node("HardSwish", "c", "y")], "hard_swish"),
        ([node("Tanh", "c", "y")], "tanh"),
        ([node("Softplus", "c", "y")], "softplus"),
        ([node("Softmax", "c", "y")], "softmax"),
        ([node("Clip", "c zero six", "y")], "relu6"),
        ([node("Clip", "c zero", "y")], "relu"),
        ([node("Clip", "c zero s", "y")], "clip"),
        ([node("Sigmoid", "c", "g"), node("Mul", "c g", "y")], "silu"),
        ([node("HardSigmoid", "c", "g"), node("Mul", "g c", "y")], "hard_swish"),
        ([node("Softplus", "c", "p"), node("Tanh", "p", "g"), node("Mul", "c g", "y")], "mish"),
    ],
)
def test_activations(nodes: list[onnx.NodeProto], activation: str) -> None:
    found = bank(*nodes)
    assert (found.activation, found.pre_tensor, found.post_tensor) == (activation, "c", "y")


def test_clip_bounds_as_attributes() -> None:
    assert bank(node("Clip", "c", "y", min=0.0, max=6.0), opset=9).activation == "relu6"


@pytest.mark.parametrize(
    ("opset", "op", "activation"), [(20, "Gelu", "gelu"), (18, "Mish", "mish"), (24, "Swish", "silu")]
)
def test_newer_operators(opset: int, op: str, activation: str) -> None:
    assert bank(node(op, "c", "y"), opset=opset).activation == activation


def test_post_is_pre_without_an_activation() -> None:
    found = bank(node("MaxPool", "c", "y", kernel_shape=[2, 2]))
    assert (found.activation, found.pre_tensor, found.post_tensor) == (None, "c", "c")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Add", "c x2", "a"), node("Relu", "a", "y")],
        [node("Relu", "c", "r"), node("Add", "c r", "y")],
        [node("Sigmoid", "c", "g"), node("Mul", "g x2", "m"), node("Add", "m c", "y")],
        [node("Sub", "s c", "n"), node("Relu", "n", "y")],
        [node("Add", "c map", "n"), node("Relu", "n", "y")],
        [node("Sum", "c x2", "a"), node("Relu", "a", "y")],
        [node("Sum", "c c", "a"), node("Relu", "a", "y")],
        [node("Sum", "c s x2", "a"), node("Relu", "a", "y")],
    ],
    ids=[
        "residual", "two readers", "other gate", "one minus", "a map, no bias", "residual sum", "doubled",
        "sum of three",
    ],
)  # fmt: skip
def test_activation_of_another_tensor_is_not_the_layers(nodes: list[onnx.NodeProto]) -> None:
    constants = {name: WEIGHTS[name] for name in ("w", "s", "map")}
    model = build([node("Conv", "x w", "c"), *nodes], {"x": [1, 3, 8, 8], "x2": [1, 4, 6, 6]}, constants)
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor, found.bias) == (None, "c", None)


@pytest.mark.parametrize("op", ["Add", "Sum"])
def test_bias_in_a_separate_node(op: str) -> None:
    found = bank(node(op, "column c", "a"), node("Relu", "a", "y"))
    assert (found.pre_tensor, found.post_tensor) == ("a", "y")
    np.testing.assert_array_equal(found.bias, WEIGHTS["column"].ravel())


def test_keras_bias_and_activation_after_a_transpose() -> None:
    """Conv → Transpose → Add → Relu → Transpose, the bias shared through an Identity."""
    found = bank(
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Identity", "b", "shared"),
        node("Add", "t shared", "a"),
        node("Relu", "a", "r"),
        node("Transpose", "r", "y", perm=[0, 3, 1, 2]),
    )
    np.testing.assert_array_equal(found.bias, WEIGHTS["b"])
    assert (found.pre_tensor, found.pre_layout) == ("a", "NHWC")
    assert (found.post_tensor, found.post_layout) == ("r", "NHWC")


def test_keras_crops_transposed_convolutions_before_the_bias() -> None:
    ends = {
        "zeros": np.array([0, 0]),
        "ends": np.array([5, 5]),
        "space": np.array([2, 3]),
        "all": np.array([0, 1]),
    }
    found = bank(
        node("Slice", "c zeros ends space", "cut"),
        node("Add", "cut column", "a"),
        node("Relu", "a", "y"),
        **ends,
    )
    assert (found.pre_tensor, found.activation) == ("a", "relu")
    assert found.bias is not None
    found = bank(node("Slice", "c zeros ends all", "cut"), node("Relu", "cut", "y"), **ends)
    assert (found.pre_tensor, found.activation) == ("c", None)


@pytest.mark.parametrize(
    ("starts", "ends", "steps", "activation"),
    [
        ([0, 0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], "relu"),
        ([0, -9, 1, 0], [2**63 - 1, 2**31 - 1, 3, 1], [1, 1, 1, 1], "relu"),
        ([0, 0, 0, 0], [2**31 - 1, 3, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 1, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 2, 1, 1], None),
        ([0, 0, 0, 0], [1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
    ],
)
def test_slice_that_states_all_axes(
    starts: list[int], ends: list[int], steps: list[int], activation: str | None
) -> None:
    lists = {"starts": np.array(starts), "ends": np.array(ends), "steps": np.array(steps)}
    axes = {"axes": np.arange(4)}
    found = bank(node("Slice", "c starts ends axes steps", "cut"), node("Relu", "cut", "y"), **lists, **axes)
    assert found.activation == activation


def test_casts_do_not_hide_a_gate() -> None:
    gate = [node("Cast", "c", "f", to=1), node("Sigmoid", "f", "g"), node("Cast", "g", "h", to=1)]
    assert bank(*gate, node("Mul", "f h", "y")).activation == "silu"


def test_no_bias_is_recognized_after_a_batch_norm() -> None:
    statistics = {name: np.ones(4, np.float32) for name in ("m", "v", "g", "h")}
    found = bank(
        node("BatchNormalization", "c g h m v", "n"),
        node("Add", "n column", "a"),
        node("Relu", "a", "y"),
        **statistics,
    )
    assert (found.bias, found.activation, found.pre_tensor, found.post_tensor) == (None, "relu", "c", "y")


def test_one_value_for_all_channels_is_a_bias() -> None:
    found = bank(node("Add", "c s", "y"))
    np.testing.assert_array_equal(found.bias, np.full(4, 0.5, np.float32))


def test_first_of_two_additions_is_the_bias() -> None:
    found = bank(node("Add", "c column", "a"), node("Add", "a s", "d"), node("Relu", "d", "y"))
    np.testing.assert_array_equal(found.bias, WEIGHTS["column"].ravel())
    assert (found.pre_tensor, found.post_tensor) == ("a", "y")
