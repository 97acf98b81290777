"""A catalog with a small classifier of pictures."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx_graphs import build, node, random

import filterkit


def add_classifier(folder: Path, *, filters: int) -> None:
    """A network, ``net``, of convolutions ``conv`` and ``last``, and two classes, in the default catalog."""
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Relu", "a", "b"),
        node("Conv", "b v", "c", name="last"),
        node("GlobalAveragePool", "c", "d"),
        node("Flatten", "d", "e"),
        node("Softmax", "e", "y", axis=1),
    ]
    constants = {"w": random(filters, 3, 3, 3), "v": random(2, filters, 3, 3, seed=1)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17), folder / "net.onnx")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx")
