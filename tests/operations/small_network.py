"""A network of two layers; in the first, filter 2 is a copy of filter 0."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx_graphs import build, node, random

FIRST, SECOND, BIAS = random(4, 3, 3, 3), random(2, 4, 3, 3, seed=1), random(4, seed=2)
FIRST[2] = FIRST[0]


def write_network(path: Path) -> Path:
    nodes = [
        node("Conv", "x w1 b1", "c1", name="conv1", pads=[1] * 4),
        node("Relu", "c1", "r1"),
        node("Conv", "r1 w2", "y", name="conv2", pads=[1] * 4),
    ]
    onnx.save(build(nodes, {"x": [1, 3, "H", "W"]}, {"w1": FIRST, "b1": BIAS, "w2": SECOND}), path)
    return path
