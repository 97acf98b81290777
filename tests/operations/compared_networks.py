"""Small networks whose filters can be permuted or changed, to be compared by their responses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx_graphs import build, node, random

import filterkit

Weights = dict[str, np.ndarray]

WIDTHS = (3, 8, 12, 10)
LAYERS = ("conv0", "conv1", "conv2")


def weights(widths: tuple[int, ...] = WIDTHS, seed: int = 0) -> Weights:
    made = {}
    for number, (inside, outside) in enumerate(pairwise(widths)):
        made[f"conv{number}.weight"] = random(outside, inside, 3, 3, seed=seed + number) / inside
        made[f"conv{number}.bias"] = random(outside, seed=seed + 100 + number) / 4
    return made


def network(of: Weights) -> onnx.ModelProto:
    """Convolutions with ReLUs, in sequence."""
    nodes, tensor = [], "picture"
    for number in range(len(of) // 2):
        name = f"conv{number}"
        inputs = f"{tensor} {name}.weight {name}.bias"
        nodes.append(node("Conv", inputs, f"{name}_pre", name=name, pads=[1] * 4))
        nodes.append(node("Relu", f"{name}_pre", name))
        tensor = name
    return build(nodes, {"picture": ["N", 3, "H", "W"]}, of)


def permuted(of: Weights) -> tuple[Weights, list[np.ndarray]]:
    """The same network with the filters of every layer in another order, and the partner of each filter."""
    generator = np.random.default_rng(5)
    made, order, partners = {}, np.arange(3), []
    for number in range(len(of) // 2):
        bank = of[f"conv{number}.weight"][:, order]
        order = generator.permutation(len(bank))
        made[f"conv{number}.weight"] = bank[order]
        made[f"conv{number}.bias"] = of[f"conv{number}.bias"][order]
        partners.append(np.argsort(order))
    return made, partners


def add(bench: filterkit.Workbench, name: str, of: Weights) -> None:
    path = Path(bench.location).parent / f"{name}.onnx"
    onnx.save(network(of), path)
    bench.add(path, name=name, preprocessing="unit")


def mean_responses(bench: filterkit.Workbench, layer: str, pictures: list[Path]) -> np.ndarray:
    """Mean of each feature map, shape (pictures, filters), by running the network on each picture."""
    name = layer.partition("/")[2]
    results = bench.iter_feature_maps(layer, pictures)
    return np.stack([result.maps[name].mean((1, 2), dtype=np.float64) for result in results])
