"""The objective of several different pictures, compared with NumPy and torch autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, random

from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.visualization.diversity import diverse

WEIGHTS = random(5, 3, 3, 3)
X = random(4, 3, 8, 9, seed=1)
CASES = [("NCHW", None), ("NCHW", 17), ("NHWC", None), ("NHWC", 17)]


def network(layout: str) -> onnx.ModelProto:
    last = node("Transpose", "r", "y", perm=[0, 2, 3, 1]) if layout == "NHWC" else node("Identity", "r", "y")
    nodes = [node("Conv", "x w", "c"), node("Relu", "c", "r"), last]
    return build(nodes, {"x": ["N", 3, 8, 9]}, {"w": WEIGHTS}, opset=12)


def run(model: onnx.ModelProto, *outputs: str) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(outputs or None, {"x": X}))


def in_torch(place: int | None) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X).double().requires_grad_()
    maps = torch.relu(torch.nn.functional.conv2d(x, torch.tensor(WEIGHTS).double())).flatten(2)
    gram = torch.nn.functional.normalize((maps @ maps.transpose(1, 2)).flatten(1), dim=1)
    similar = gram @ gram.T
    share = (similar.sum(dim=1) - similar.diagonal()) / 3
    own = maps[:, 2].mean(dim=1) if place is None else maps[:, 2, place]
    total = own - own.abs() * share
    total.sum().backward()
    return total.detach().numpy(), x.grad.numpy()


@pytest.mark.keras
@pytest.mark.parametrize(("layout", "place"), CASES)
def test_values_and_gradients_as_of_torch(layout: str, place: int | None) -> None:
    model, name = diverse(network(layout), "y", layout, 2, place, 4)
    rules = Registry(load_plugins(discover=False)).gradient_rules()
    found = gradient(model, Target(name, "N"), "x", rules=rules, shapes={"x": X.shape})
    value, back = run(found)
    expected, slope = in_torch(place)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(back, slope, atol=1e-5 * np.abs(slope).max())


def test_the_network_is_not_changed() -> None:
    model = network("NCHW")
    before = model.SerializeToString()
    diverse(model, "y", "NCHW", 0, None, 4)
    assert model.SerializeToString() == before
