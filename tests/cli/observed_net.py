"""A catalog with a small network and an observation of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx_graphs import build, node, random
from PIL import Image

import filterkit


def observe_net(folder: Path, *, observe: bool = True) -> None:
    """A network, ``net``, whose filter 3 never fires, in the default catalog; and pictures in two classes."""
    first = random(4, 3, 3, 3)
    first[3] = -np.abs(first[3])
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Relu", "a", "b"),
        node("Conv", "b v", "y", name="last"),
    ]
    constants = {"w": first, "v": random(2, 4, 3, 3, seed=1)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17), folder / "net.onnx")
    for number in range(6):
        place = folder / "pictures" / f"class{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx")
        if observe:
            bench.observe("net", [folder / "pictures"])
