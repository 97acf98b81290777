"""Decomposed local response normalization between a convolution and its activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import node
from tails import RELU, bank

DIVIDED = node("Div", "c r2", "z")


def response(
    *pooled: onnx.NodeProto, square: str = "c c", scale: str = "half", root: str = "half"
) -> list[onnx.NodeProto]:
    """Local response normalization with some nodes between the square and its mean ``m``."""
    return [
        node("Mul", square, "q"),
        *pooled,
        node("Mul", f"m {scale}", "sc"),
        node("Add", "sc one", "k"),
        node("Pow", f"k {root}", "r2"),
        node("Div", "c r2", "z"),
    ]


SPACE_WINDOW = node("AveragePool", "q", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
CHANNEL_WINDOW = [
    node("Unsqueeze", "q a1", "u"),
    node("Pad", "u pads", "p"),
    node("AveragePool", "p", "v", kernel_shape=[3, 1, 1]),
    node("Squeeze", "v a1", "m"),
]


@pytest.mark.parametrize(
    ("nodes", "norm"),
    [
        (response(*CHANNEL_WINDOW), "lrn"),
        (response(SPACE_WINDOW), None),
        (
            response(
                node("Unsqueeze", "q a1", "u"),
                node("AveragePool", "u", "v", kernel_shape=[1, 3, 3], pads=[0, 1, 1, 0, 1, 1]),
                node("Squeeze", "v a1", "m"),
            ),
            None,
        ),
        (
            response(
                node("Unsqueeze", "q a2", "u"),
                node("AveragePool", "u", "v", kernel_shape=[1, 3, 1], pads=[0, 1, 0, 0, 1, 0]),
                node("Squeeze", "v a2", "m"),
            ),
            None,
        ),
        (response(*CHANNEL_WINDOW, scale="r"), None),
        (response(*CHANNEL_WINDOW, scale="m"), None),
        (response(*CHANNEL_WINDOW, root="r"), None),
        (response(*CHANNEL_WINDOW, square="c r"), None),
        ([node("Pow", "c two", "q"), *response(*CHANNEL_WINDOW)[1:]], "lrn"),
        ([node("Pow", "c six", "q"), *response(*CHANNEL_WINDOW)[1:]], None),
    ],
    ids=[
        "channels", "space", "space of one axis more", "rows", "scaled by an input", "squared again",
        "power by an input", "product with an input", "Pow", "sixth power",
    ],
)  # fmt: skip
def test_local_response_norm_is_over_channels(nodes: list[onnx.NodeProto], norm: str | None) -> None:
    found = bank(*nodes, RELU, pads=np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0]))
    activation = "relu" if norm else None
    assert (found.norm, found.activation, found.post_tensor) == (norm, activation, "y" if norm else "c")


@pytest.mark.parametrize(
    ("nodes", "norm"),
    [
        ([node("Pow", "k minus", "r2"), node("Mul", "c r2", "z")], "lrn"),
        ([node("Pow", "k minus", "r2"), node("Mul", "r2 c", "z")], "lrn"),
        ([node("Pow", "k minus", "r2"), node("Div", "c r2", "z")], None),
        ([node("Pow", "k power", "r2"), node("Mul", "c r2", "z")], None),
        ([node("Log", "k", "l"), node("Mul", "l power", "e"), node("Exp", "e", "r2"), DIVIDED], "lrn"),
        ([node("Sqrt", "k", "e"), node("Sqrt", "e", "l"), node("Mul", "e l", "r2"), DIVIDED], "lrn"),
        ([node("Sqrt", "k", "e"), node("Reciprocal", "e", "r2"), node("Mul", "c r2", "z")], "lrn"),
        ([node("Tanh", "k", "r2"), node("Div", "c r2", "z")], None),
    ],
)  # fmt: skip
def test_power_of_a_local_response_norm(nodes: list[onnx.NodeProto], norm: str | None) -> None:
    divisor = response(*CHANNEL_WINDOW)[:-2]
    more: dict[str, Any] = {"minus": np.float32(-0.75), "power": np.float32(0.75)}
    found = bank(*divisor, *nodes, RELU, pads=np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0]), **more)
    assert (found.norm, found.activation) == (norm, "relu" if norm else None)
