"""Gradients of quantization, straight through the rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import derived, find_torch, model_of, rules, run
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target

PAIR = [node("QuantizeLinear", "x scale zero", "q"), node("DequantizeLinear", "q scale zero", "y")]


def gradient_of(x: Any, nodes: Any, **constants: Any) -> Any:
    wide = constants["zero"].dtype.itemsize > 1
    return derived(model_of(nodes, {"x": x}, constants, opset=21 if wide else 18), {"x": x})[0]


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [(np.uint8, 0, 255), (np.int8, -128, 127), (np.uint16, 0, 65535), (np.int16, -32768, 32767)],
)
def test_numbers_outside_the_range_have_no_gradient(dtype: Any, least: int, most: int) -> None:
    """0.4 of a step outside rounds to the range."""
    steps = np.array([least - 0.6, least - 0.4, least, 0.3, most, most + 0.4, most + 0.6])
    x = (steps * 0.25).astype(np.float32)
    found = gradient_of(x, PAIR, scale=np.float32(0.25), zero=dtype(0))
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 1, 1, 0])


def test_the_range_may_be_a_relu() -> None:
    """With the lowest quantized number as zero point, as quantizers write a Relu."""
    x = np.array([-1, -0.01, 0, 0.5, 1, 200], np.float32)
    found = gradient_of(x, PAIR, scale=np.float32(0.1), zero=np.int8(-128))
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 1, 0])


@pytest.mark.keras
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), zero=st.integers(-128, 127), scale=st.sampled_from([0.01, 0.03, 0.25]))
def test_as_simulated_quantization_in_torch(seed: int, zero: int, scale: float) -> None:
    torch = find_torch()
    x = random(3, 50, seed=seed) * np.float32(2)
    tensor = torch.tensor(x, requires_grad=True)
    torch.fake_quantize_per_tensor_affine(tensor, float(np.float32(scale)), zero, -128, 127).sum().backward()
    found = gradient_of(x, PAIR, scale=np.float32(scale), zero=np.int8(zero))
    assert (found != tensor.grad.numpy()).mean() <= 0.01  # they may round half a step differently


def test_one_scale_per_channel() -> None:
    nodes = [node(each.op_type, " ".join(each.input), each.output[0], axis=-2) for each in PAIR]
    x = np.full((1, 2, 3), 20, np.float32)
    found = gradient_of(x, nodes, scale=np.array([0.1, 0.2], np.float32), zero=np.zeros(2, np.int8))
    np.testing.assert_array_equal(found, np.repeat([[[0], [1]]], 3, axis=2))


def test_operators_of_onnx_runtime() -> None:
    """Their shapes are measured."""
    nodes = [
        node(each.op_type, " ".join(each.input), each.output[0], domain="com.microsoft") for each in PAIR
    ]
    x = {"x": np.array([-13, 1, 13], np.float32)}
    model = model_of(nodes, x, {"scale": np.float32(0.1), "zero": np.int8(0)})
    built = gradient(model, Target("y", "C"), "x", rules=rules(), shapes={"q": (3,), "y": (3,)})
    np.testing.assert_array_equal(run(built, x)[1], [0, 1, 0])


def test_quantized_numbers_may_be_moved() -> None:
    nodes = [
        PAIR[0],
        node("MaxPool", "q", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", "pooled", "moved", perm=[0, 2, 3, 1]),
        node("DequantizeLinear", "moved scale zero", "y"),
    ]
    x = random(1, 2, 4, 4)
    found = gradient_of(x, nodes, scale=np.float32(0.01), zero=np.int8(0))
    blocks = x.reshape(1, 2, 2, 2, 2, 2)
    expected = (blocks == blocks.max((3, 5), keepdims=True)).reshape(x.shape)
    np.testing.assert_array_equal(found, expected & (np.abs(x) < 1.275))


def test_integers_that_are_read_as_such_are_named() -> None:
    nodes = [PAIR[0], node("Cast", "q", "y", to=1)]
    with pytest.raises(ModelError, match=r"'y' \(Cast\) has no gradient: it reads quantized numbers"):
        gradient_of(random(3), nodes, scale=np.float32(1), zero=np.int8(0))


def test_operators_on_quantized_numbers_are_named() -> None:
    nodes = [
        PAIR[0],
        node("QLinearMatMul", "q scale zero w scale zero scale zero", "p"),
        node("DequantizeLinear", "p scale zero", "y"),
    ]
    with pytest.raises(ModelError, match=r"no gradient rule for 'p' \(QLinearMatMul\)"):
        gradient_of(random(2, 3), nodes, scale=np.float32(1), zero=np.int8(0), w=np.ones((3, 2), np.int8))
