"""Class activation maps, compared with captum and with their formulas in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_cnn import PIXELS, close, picture, torch_network

import filterkit
from filterkit.errors import UsageError


def of_torch(channel: int, end: int = 7) -> tuple[Any, Any]:
    """Maps of the layer that ends before module `end`, and their gradients."""
    network = torch_network()
    maps = network[:end](picture()).detach().requires_grad_()
    network[end:](maps)[0, channel].backward()
    return maps.detach().numpy()[0], maps.grad.numpy()[0]


def larger(values: Any) -> Any:
    torch = pytest.importorskip("torch")
    sizes = {"size": PIXELS.shape[:2], "mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(torch.tensor(np.array(values.tolist())), **sizes)[0]


@pytest.mark.parametrize("channel", range(5))
def test_grad_cam_is_that_of_captum(cnn: filterkit.Workbench, channel: int) -> None:
    attr = pytest.importorskip("captum.attr")
    network = torch_network()
    expected = attr.LayerGradCam(network, network[6]).attribute(
        picture(), target=channel, relu_attributions=True
    )
    found = cnn.attribute(f"cnn@0:{channel}", PIXELS, method="grad-cam")
    if float(expected.detach().max()) == 0:
        assert not found.array.any()
        assert "negative everywhere" in found.notes[-1]
    else:
        close(found.array, larger(expected.detach()))


def test_a_layer_can_be_chosen(cnn: filterkit.Workbench) -> None:
    attr = pytest.importorskip("captum.attr")
    network = torch_network()
    expected = attr.LayerGradCam(network, network[4]).attribute(picture(), target=1, relu_attributions=True)
    found = cnn.attribute("cnn@0:1", PIXELS, method="grad-cam:layer=conv2")
    close(found.array, larger(expected.detach()))
    with pytest.raises(UsageError, match="does not depend on a layer 'conv9'"):
        cnn.attribute("cnn@0:1", PIXELS, method="grad-cam:layer=conv9")


def test_grad_cam_plus_plus(cnn: filterkit.Workbench) -> None:
    maps, gradients = of_torch(2, 5)
    total = maps.sum(axis=(1, 2), keepdims=True)
    below = 2 * gradients**2 + total * gradients**3
    alpha = np.divide(gradients**2, below, out=np.zeros_like(below), where=below != 0)
    weights = (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2), keepdims=True)
    expected = np.maximum((weights * maps).sum(axis=0), 0)
    found = cnn.attribute("cnn@0:2", PIXELS, method="grad-cam++:layer=conv2")
    close(found.array, larger(expected[None, None]))


def test_layer_cam(cnn: filterkit.Workbench) -> None:
    maps, gradients = of_torch(2, 5)
    expected = np.maximum((np.maximum(gradients, 0) * maps).sum(axis=0), 0)
    found = cnn.attribute("cnn@0:2", PIXELS, method="layer-cam:layer=conv2")
    close(found.array, larger(expected[None, None]))


def test_of_a_filter_the_layers_before_it_count(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn/conv2/1", PIXELS, method="grad-cam")
    same = cnn.attribute("cnn/conv2/1", PIXELS, method="grad-cam:layer=conv1")
    assert np.array_equal(found.array, same.array)
    with pytest.raises(UsageError, match="depends on no layer"):
        cnn.attribute("cnn/conv1/1", PIXELS, method="grad-cam")
