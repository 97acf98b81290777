"""VGG16 as a whole, with its trained weights: gradients as of torch, other ways back as of captum."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from gradient_checks import DIFFERENCE, close, find_torch, rules, run
from onnx import numpy_helper

from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.load import load_model


@pytest.fixture(scope="module")
def vgg16(zoo_model: Callable[[str], Path]) -> onnx.ModelProto:
    return load_model(zoo_model("vgg16"))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Edges and gradients at the scale of the network's input, shape (1, 64, 64, 3)."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    colours = [np.sin(x / 3 + y / 9), (x > y).astype(np.float32), np.cos(y / 5) * x / 64]
    return np.stack(colours, axis=-1)[None] * np.float32(90) - 20


def relu(model: onnx.ModelProto, number: int) -> str:
    return [node.output[0] for node in model.graph.node if node.op_type == "Relu"][number]


def in_torch(model: onnx.ModelProto, convolutions: int) -> Any:
    """The first layers of VGG16 as modules, in float64."""
    torch = find_torch()
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    modules: list[Any] = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            kernel, bias = (torch.tensor(weights[name]).double() for name in node.input[1:])
            modules.append(torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1).double())
            modules[-1].weight.data, modules[-1].bias.data = kernel, bias
        elif node.op_type == "Relu":
            modules.append(torch.nn.ReLU())
            if sum(isinstance(module, torch.nn.ReLU) for module in modules) == convolutions:
                break
        elif node.op_type == "MaxPool":
            modules.append(torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(*modules)


def slope(
    model: onnx.ModelProto, number: int, picture: np.ndarray, channel: int = 5, **given: Any
) -> np.ndarray:
    (entry,) = model.graph.input
    target = Target(relu(model, number - 1), "NCHW", (channel,), "mean")
    built = gradient(model, target, entry.name, rules=rules(), shapes={entry.name: picture.shape}, **given)
    return run(built, {entry.name: picture})[1].transpose(0, 3, 1, 2)


def expected(module: Any, picture: np.ndarray) -> tuple[int, Any]:
    """The filter with the largest mean response, and the gradient of this."""
    torch = find_torch()
    x = torch.tensor(picture.transpose(0, 3, 1, 2)).double().requires_grad_()
    means = module(x)[0].mean(dim=(1, 2))
    means.max().backward()
    return int(means.argmax()), x.grad.numpy()


@pytest.mark.zoo
@pytest.mark.keras
@pytest.mark.parametrize("number", [1, 2, 4, 7, 10, 13])
def test_torch(
    vgg16: onnx.ModelProto,
    picture: np.ndarray,
    number: int,
    record_property: Callable[[str, object], None],
) -> None:
    channel, gradient_of_torch = expected(in_torch(vgg16, number), picture)
    assert gradient_of_torch.any()
    record_property(DIFFERENCE, close(slope(vgg16, number, picture, channel), gradient_of_torch))


@pytest.mark.zoo
@pytest.mark.keras
@pytest.mark.parametrize(
    ("override", "method"), [("guided", "GuidedBackprop"), ("deconvnet", "Deconvolution")]
)
def test_captum(vgg16: onnx.ModelProto, picture: np.ndarray, override: str, method: str) -> None:
    torch = find_torch()
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    captum = find("captum.attr")

    class Mean(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = in_torch(vgg16, 7)

        def forward(self, x: Any) -> Any:
            return self.layers(x).mean(axis=(2, 3))

    x = torch.tensor(picture.transpose(0, 3, 1, 2)).double().requires_grad_()
    found = getattr(captum, method)(Mean()).attribute(x, target=5).detach().numpy()
    close(slope(vgg16, 7, picture, override=override), found, tolerance=1e-4)


@pytest.mark.zoo
def test_guided_backpropagation_changes_the_gradient(vgg16: onnx.ModelProto, picture: np.ndarray) -> None:
    plain, guided, deconvnet, linear = (
        slope(vgg16, 7, picture, override=override) for override in (None, "guided", "deconvnet", "linear")
    )
    assert len({array.tobytes() for array in (plain, guided, deconvnet, linear)}) == 4
