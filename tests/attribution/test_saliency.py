"""The gradient and its variants, compared with torch and captum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_cnn import PIXELS, add, close, picture, torch_network

import filterkit

UNIT = {"preprocessing": "unit"}


def torch_gradient(module: Any, channel: int, place: tuple[int, int]) -> Any:
    given = picture().requires_grad_()
    module(given)[0, channel][place].backward()
    return given.grad[0]


def test_the_gradient_is_that_of_torch(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn/conv3/4", PIXELS)
    response = torch_network(7)(picture())[0, 4].detach().numpy()
    assert found.position == np.unravel_index(response.argmax(), response.shape)
    assert found.value == pytest.approx(response.max(), rel=1e-5)
    assert found.position is not None
    close(found.array, torch_gradient(torch_network(7), 4, found.position))


@pytest.mark.parametrize("position", [(0, 0), (9, 11), (0, 11), (5, 6)])
def test_the_gradient_of_any_position(cnn: filterkit.Workbench, position: tuple[int, int]) -> None:
    found = cnn.attribute("cnn/conv3/3", PIXELS, position=position, at="pre")
    close(found.array, torch_gradient(torch_network(6), 3, position))


def test_the_mean_and_the_total_of_a_layer(cnn: filterkit.Workbench) -> None:
    given = picture().requires_grad_()
    torch_network(5)(given)[0].mean(axis=(1, 2)).sum().backward()
    close(cnn.attribute("cnn/conv2", PIXELS, position="mean").array, given.grad[0])


def test_an_output(cnn: filterkit.Workbench) -> None:
    given = picture().requires_grad_()
    torch_network()(given)[0, 2].backward()
    found = cnn.attribute("cnn@0:2", PIXELS)
    close(found.array, given.grad[0])
    assert (found.position, found.box) == (None, None)


def test_the_gradient_times_the_input(cnn: filterkit.Workbench) -> None:
    plain = cnn.attribute("cnn@0:2", PIXELS)
    close(cnn.attribute("cnn@0:2", PIXELS, method="gradient-input").array, plain.array * picture()[0].numpy())


@pytest.mark.parametrize(
    ("method", "name"), [("guided-backprop", "GuidedBackprop"), ("deconvnet", "Deconvolution")]
)
def test_other_rules_for_relu_are_those_of_captum(cnn: filterkit.Workbench, method: str, name: str) -> None:
    attr = pytest.importorskip("captum.attr")
    expected = getattr(attr, name)(torch_network()).attribute(picture(), target=3)
    found = cnn.attribute("cnn@0:3", PIXELS, method=method)
    close(found.array, expected[0])
    assert "hardly depends on what the later layers have learned" in found.captions


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_layout_and_order_of_channels_are_undone(tmp_path: Path, layout: str, order: str) -> None:
    with add(tmp_path, layout, preprocessing=f"raw:channels={order}") as bench:
        found = bench.attribute("cnn@0:1", PIXELS)
    given = picture() * 255
    given = (given.flip(1) if order == "BGR" else given).requires_grad_()
    torch_network()(given)[0, 1].backward()
    close(found.array, given.grad.flip(1)[0] if order == "BGR" else given.grad[0])
    assert found.channels == ("R", "G", "B")
    np.testing.assert_allclose(found.picture, PIXELS / 255, atol=1e-6)
