"""A convolution followed by some nodes, for tests of what follows a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx_graphs import banks, build, node, opened, random

from filterkit.records import FilterBank

CONSTANTS: dict[str, Any] = {
    "w": random(4, 3, 3, 3), "w1": random(4, 3, 1, 5), "b": random(4, seed=1),
    "column": random(1, 4, 1, 1, seed=2), "line": random(1, 4, 1, seed=2), "scale": random(4, 1, 1, seed=3),
    "along": np.array([1, 2, 3, 4, 5, 6], np.float32), "eps": np.float32(1e-5),
    "ones": np.ones(4, np.float32), "zeros": np.zeros(4, np.float32),
    "g1": np.ones(2, np.float32), "g0": np.zeros(2, np.float32),
    "half": np.float32(0.5), "one": np.float32(1), "two": np.float32(2), "zero": np.float32(0),
    "six": np.float32(6), "four": np.float32(4),
    "a1": np.array([1]), "a2": np.array([2]), "a23": np.array([2, 3]),
    "a123": np.array([1, 2, 3]), "a234": np.array([2, 3, 4]), "i0": np.array([0]), "i2": np.array([2]),
    "i4": np.array([4]), "to_line": np.array([1, 4, 28]), "to_space": np.array([0, 0, -1]),
    "to_groups": np.array([0, 2, -1]), "to_five": np.array([0, 2, 2, 6, 6]),
    "to_one": np.array([1, 1, 144]), "to_rows": np.array([2, 72]), "to_all": np.array([1, -1]),
    "to_tokens": np.array([-1, 4]), "back_last": np.array([1, 6, 6, 4]),
    "back_first": np.array([1, 4, 6, 6]), "many": np.ones(72, np.float32),
    "every": np.ones(144, np.float32), "places": np.ones(36, np.float32), "map": np.ones((6, 6), np.float32),
    "to_volume": np.array([1, 1, 4, 6, 6]), "back": np.array([0, 4, 6, 6]), "mixed": np.array([1, 2, 2, 36]),
}  # fmt: skip

LINE = [1, 3, 1, 32]
PICTURE = [1, 3, 8, 8]


def bank(*behind: onnx.NodeProto, shape: list[Any] = PICTURE, opset: int = 18, **more: Any) -> FilterBank:
    """The bank of ``x -> Conv -> c`` followed by some nodes."""
    weight = "w1" if shape[2] == 1 else "w"
    used = {name for one in behind for name in one.input} | {weight}
    constants = {name: value for name, value in (CONSTANTS | more).items() if name in used}
    inputs = {"x": shape} | ({"r": [1, 4, 6, 6]} if "r" in used else {})
    model = build([node("Conv", f"x {weight}", "c"), *behind], inputs, constants, opset=opset)
    return banks(opened(model))[0]


RELU = node("Relu", "z", "y")
