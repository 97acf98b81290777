"""Tracing axes from the inputs of a graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from dependence import geometry
from onnx_graphs import build, node, opened, random


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
def test_scalar_input_is_not_a_picture(shape: list[int]) -> None:
    nodes = [node("Conv", "x w", "c"), node("Mul", "c number", "m"), node("Conv", "m v", "y")]
    constants = {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3)}
    layers = geometry(build(nodes, {"number": shape, "x": [1, 3, 16, 16]}, constants))
    assert [layer.receptive_field for layer in layers] == [(3, 3), (5, 5)]
    assert [layer.global_context for layer in layers] == [False, False]


@pytest.mark.parametrize("free", [-1, 0])
def test_sizes_below_one_are_open(free: int) -> None:
    nodes = [node("Conv", "x w", "c", strides=[2, 2], pads=[2] * 4), node("Conv", "c v", "y", pads=[1] * 4)]
    constants = {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3)}
    model = build(nodes, {"x": [free, 3, free, free]}, constants)
    stated = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [free, 2, free, free])
    model.graph.value_info.append(stated)
    assert opened(model).inputs[0].shape == (None, 3, None, None)
    layers = geometry(model)
    assert [layer.output_shape for layer in layers] == [("N", 2, "H/2", "W/2")] * 2
    assert [layer.macs for layer in layers] == [None, None]


def test_reshapes_that_keep_an_axis_are_followed() -> None:
    """A one-dimensional convolution over rows of a picture whose columns became channels."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1, 3]),
        node("Reshape", "t shape", "r"),
        node("Transpose", "r", "u", perm=[0, 2, 1]),
        node("Conv", "u w", "y"),
    ]
    constants = {"shape": np.array([0, 0, -1]), "w": random(2, 3 * 16, 5)}
    layer = geometry(build(nodes, {"x": [1, 3, 24, 16]}, constants))[0]
    assert (layer.receptive_field, layer.jump, layer.offset) == ((5,), (1,), (0,))
