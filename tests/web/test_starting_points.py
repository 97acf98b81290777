"""What a search can begin with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import filterkit
from filterkit.testing import build_model, node
from filterkit.web.starting_points import KERNELS, parts_of_models


def add(bench: filterkit.Workbench, folder: Path, name: str, layers: list[str]) -> None:
    random = np.random.default_rng(0)
    weights = {
        f"w{number}": random.standard_normal((1, 1, 3, 3), np.float32) for number in range(len(layers))
    }
    nodes = [
        node("Conv", f"{f't{number}' if number else 'x'} w{number}", f"t{number + 1}", layer)
        for number, layer in enumerate(layers)
    ]
    onnx.save(build_model(nodes, {"x": ["N", 1, "H", "W"]}, weights), folder / f"{name}.onnx")
    bench.add(folder / f"{name}.onnx")


@pytest.mark.parametrize(
    ("layers", "parts"),
    [
        (["block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"], ["block1_*", "block2_*"]),
        (["net.a.0", "net.a.1", "net.b.0"], ["net.a.*"]),
        (["conv1", "conv2"], []),
    ],
)
def test_parts_are_beginnings_that_layers_share(layers: list[str], parts: list[str], tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        add(bench, tmp_path, "net", layers)
        [(model, found)] = parts_of_models(bench, ["net"])
        assert model == "net"
        assert [address for _, address in found] == ["net", *(f"net/{each}" for each in parts)]
        for _, address in found:
            assert bench.layers(address)


def test_kernels_are_arrays() -> None:
    for numbers in KERNELS.values():
        assert np.array(json.loads(numbers)).shape == (3, 3)
