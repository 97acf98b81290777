"""What is prepared for a layer: sizes, channels, windows, and gradients of one filter per picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import ImageError, RuntimeFailure
from filterkit.operations.visualized_network import PEAK, is_signal, maximized, preprocessing_of
from filterkit.records import RunOptions

WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(5, 4, 3, 3, seed=1)}


@pytest.fixture
def prepare(bench: filterkit.Workbench, tmp_path: Path) -> Any:
    """The second of two layers, prepared."""
    nodes = [
        node("Conv", "x w", "a", name="conv", pads=[1] * 4),
        node("Relu", "a", "r"),
        node("Conv", "r v", "y", name="last", pads=[1] * 4),
    ]
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, WEIGHTS, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx")
    session = bench._session

    def make(objective: Any, size: Any = (20, 30), *, crop: bool = True) -> Any:
        [match] = session.matches("net/last")
        preprocessing = preprocessing_of(match.model)
        options = RunOptions(provider="cpu")
        return maximized(session, match, preprocessing, (), options, size, objective, crop=crop)

    return make


PICTURES = np.random.default_rng(0).random((3, 3, 20, 30), np.float32)


def test_the_default_size(prepare: Any) -> None:
    assert prepare("channel", None).shape == (3, 128, 128)


@pytest.mark.parametrize("objective", ["channel", "unit", PEAK])
def test_each_picture_has_a_filter_of_its_own(prepare: Any, objective: Any) -> None:
    layer = prepare(objective, crop=False)
    values, back = layer.values(PICTURES, (4, 0, 4)), layer.gradients(PICTURES, (4, 0, 4), diverse=False)
    for place, number in enumerate((4, 0, 4)):
        one = PICTURES[place : place + 1]
        assert layer.values(one, (number,))[0] == pytest.approx(values[place], rel=1e-5)
        alone = layer.gradients(one, (number,), diverse=False)[0]
        np.testing.assert_allclose(back[place], alone, atol=1e-6 * np.abs(alone).max())


@pytest.mark.keras
def test_gradients_as_of_torch(prepare: Any) -> None:
    torch = pytest.importorskip("torch")
    conv = torch.nn.functional.conv2d
    first, second = (torch.tensor(WEIGHTS[name]).double() for name in "wv")
    pictures = torch.tensor(PICTURES).double().requires_grad_()
    maps = conv(torch.relu(conv(pictures, first, padding=1)), second, padding=1)
    values = maps[range(3), [3, 0, 3]].mean(dim=(1, 2))
    values.sum().backward()
    layer = prepare("channel")
    np.testing.assert_allclose(layer.values(PICTURES, (3, 0, 3)), values.detach().numpy(), rtol=1e-5)
    slope = pictures.grad.numpy()
    found = layer.gradients(PICTURES, (3, 0, 3), diverse=False)
    np.testing.assert_allclose(found, slope, atol=1e-5 * np.abs(slope).max())


def test_a_unit_needs_only_its_receptive_field(prepare: Any) -> None:
    whole, part = prepare("unit", crop=False), prepare("unit")
    assert part.extent == (5, 5)
    (top, bottom), (left, right) = part.window
    assert (bottom - top) * (right - left) < 150
    window = np.ascontiguousarray(PICTURES[..., top:bottom, left:right])
    np.testing.assert_allclose(part.values(window, (0, 1, 2)), whole.values(PICTURES, (0, 1, 2)), rtol=1e-5)
    back = np.zeros_like(PICTURES)
    back[..., top:bottom, left:right] = part.gradients(window, (0, 1, 2), diverse=False)
    np.testing.assert_allclose(back, whole.gradients(PICTURES, (0, 1, 2), diverse=False), atol=1e-6)


def test_signals_are_those_of_few_axes() -> None:
    model = {"name": "net", "preprocessing": None, "input_shape": [1, 1, 400]}
    assert is_signal(preprocessing_of(model))
    with pytest.raises(ImageError):
        preprocessing_of({**model, "input_shape": [1, 2, 3, 4, 5]})


def test_networks_of_other_inputs(bench: filterkit.Workbench, tmp_path: Path) -> None:
    graph = build(
        [node("Conv", "s w", "y", name="conv"), node("Add", "x z", "s")][::-1],
        {"x": [1, 2, 9], "z": [1, 2, 9]},
        {"w": random(3, 2, 3)},
    )
    onnx.save(graph, tmp_path / "two.onnx")
    bench.add(tmp_path / "two.onnx")
    with pytest.raises(RuntimeFailure, match="needs other inputs"):
        bench.visualize("two/conv/0", steps=1, provider="cpu")
