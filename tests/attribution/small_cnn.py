"""A small convolutional network in torch and as ONNX, in a catalog, and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_graphs import build, node, random

import filterkit

PIXELS = np.random.default_rng(5).integers(0, 256, (40, 48, 3), dtype=np.uint8)
"""A picture of noise; the network takes it as it is, from 0 to 1."""

CONSTANTS = {
    "w1": random(8, 3, 3, 3, seed=1) / 3,
    "b1": random(8, seed=2) / 4,
    "w2": random(12, 8, 3, 3, seed=3) / 6,
    "b2": random(12, seed=4) / 4,
    "w3": random(10, 12, 3, 3, seed=5) / 8,
    "b3": random(10, seed=6) / 4,
    "w4": random(5, 10, seed=7),
    "b4": random(5, seed=8),
}


def network(layout: str = "NCHW") -> onnx.ModelProto:
    """Three convolutions, a mean over positions, a dense layer and a softmax."""
    before = [node("Transpose", "x", "x0", perm=[0, 3, 1, 2])] if layout == "NHWC" else []
    nodes = [
        *(before or [node("Identity", "x", "x0")]),
        node("Conv", "x0 w1 b1", "c1", name="conv1", pads=[1] * 4),
        node("Relu", "c1", "r1"),
        node("MaxPool", "r1", "p1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p1 w2 b2", "c2", name="conv2", pads=[1] * 4),
        node("Relu", "c2", "r2"),
        node("Conv", "r2 w3 b3", "c3", name="conv3", pads=[1] * 4, strides=[2, 2]),
        node("Relu", "c3", "r3"),
        node("GlobalAveragePool", "r3", "mean"),
        node("Flatten", "mean", "flat"),
        node("Gemm", "flat w4 b4", "scores", transB=1),
        node("Softmax", "scores", "probabilities", axis=1),
    ]
    shape = ["N", 3, "H", "W"] if layout == "NCHW" else ["N", "H", "W", 3]
    return build(nodes, {"x": shape}, CONSTANTS, opset=13)


def add(folder: Path, layout: str = "NCHW", **options: Any) -> filterkit.Workbench:
    """A workbench on a new catalog with the network as ``cnn``."""
    onnx.save(network(layout), folder / "cnn.onnx")
    bench = filterkit.open(folder / "catalog.db")
    bench.add(folder / "cnn.onnx", **options)
    return bench


def torch_network(end: int | None = None) -> Any:
    """The network without the softmax as a torch module, in float64, or its first modules."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    modules = [
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 10, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(10, 5),
    ]
    for place, number in ((0, 1), (3, 2), (5, 3), (9, 4)):
        modules[place].weight = nn.Parameter(torch.tensor(CONSTANTS[f"w{number}"]))
        modules[place].bias = nn.Parameter(torch.tensor(CONSTANTS[f"b{number}"]))
    return nn.Sequential(*modules[:end]).double().eval()


def picture() -> Any:
    """The picture as the network takes it, a torch tensor of shape (1, 3, H, W)."""
    torch = pytest.importorskip("torch")
    return torch.tensor(PIXELS.transpose(2, 0, 1)[None] / 255.0, dtype=torch.float64)


def close(found: NDArray[Any], expected: Any, tolerance: float = 1e-4) -> None:
    """Largest difference over largest value."""
    expected = expected.detach().numpy() if hasattr(expected, "detach") else expected
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
