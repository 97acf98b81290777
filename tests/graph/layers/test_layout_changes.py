"""Bias and activation after axes that were moved, removed or merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import node
from tails import CONSTANTS, LINE, PICTURE, RELU, bank

MOVED: dict[str, tuple[list[onnx.NodeProto], list[Any], str | None]] = {
    "squeeze": ([node("Squeeze", "c a2", "s"), node("Add", "s line", "z"), RELU], LINE, "NCW"),
    "squeeze without axes": (
        [node("Squeeze", "c", "s"), node("Add", "s line", "z"), RELU],
        [None, 3, 1, 32],
        None,
    ),
    "reshape": ([node("Reshape", "c to_line", "s"), node("Add", "s line", "z"), RELU], LINE, "NCW"),
    "open size": (
        [node("Reshape", "c to_space", "s"), node("Add", "s line", "z"), RELU],
        ["n", 3, 8, "w"],
        "NCW",
    ),
    "flatten space": ([node("Reshape", "c to_space", "s"), node("Add", "s line", "z"), RELU], PICTURE, "NCW"),
    "there and back": (
        [
            node("Squeeze", "c a2", "s"),
            node("Add", "s line", "z"),
            node("Unsqueeze", "z a2", "u"),
            node("Relu", "u", "y"),
        ],
        LINE,
        "NCW",
    ),
    "tokens": (
        [
            node("Reshape", "c to_space", "s"),
            node("Transpose", "s", "t", perm=[0, 2, 1]),
            node("Add", "t b", "z"),
            RELU,
        ],
        PICTURE,
        "NWC",
    ),
}


@pytest.mark.parametrize("case", MOVED)
def test_bias_and_activation_after_moved_axes(case: str) -> None:
    nodes, shape, layout = MOVED[case]
    found = bank(*nodes, shape=shape)
    if layout is None:  # it is unknown which axes are removed
        assert (found.activation, found.bias, found.post_tensor) == (None, None, "c")
        return
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("relu", "y", "z")
    assert found.pre_layout == layout
    expected = CONSTANTS["b"] if case == "tokens" else CONSTANTS["line"].ravel()
    np.testing.assert_array_equal(found.bias, expected)


def test_flatten_of_one_position_keeps_the_channels() -> None:
    nodes = [node("Flatten", "c", "f"), node("Add", "f b", "z"), RELU]
    found = bank(*nodes, shape=[1, 3, 3, 3])
    assert (found.activation, found.pre_layout) == ("relu", "NC") and found.bias is not None
    found = bank(node("Flatten", "c", "f"), node("Relu", "f", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")


def test_batch_norm_after_a_squeeze() -> None:
    nodes = [
        node("Squeeze", "c a2", "s"),
        node("BatchNormalization", "s ones zeros zeros ones", "z"),
        RELU,
    ]
    found = bank(*nodes, shape=LINE)
    assert found.batchnorm is not None and found.batchnorm.layout == "NCW"
    assert (found.activation, found.post_layout) == ("relu", "NCW")
