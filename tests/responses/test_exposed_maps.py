"""Maps that leave a session beside what they are reduced to are those of the network itself."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import build, node, random

from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.records import RunOptions
from filterkit.responses.exposed_maps import expose_maps
from filterkit.responses.response_network import ResponseNetwork
from filterkit.runtime.network import Network, Target

CPU = RunOptions(provider="cpu", threads=1)
IMAGE = random(2, 3, 12, 17, seed=4)


def networks(nodes: list, targets: list[Target], **weights: np.ndarray) -> tuple[Network, ResponseNetwork]:
    model = build(nodes, {"x": ["N", 3, "H", "W"]}, {"w": random(8, 3, 3, 3), **weights})

    def part():
        return excerpt(model, [target.wanted for target in targets], picture_input=None, layout=None)

    plain = Network(part(), targets, picture_input=None, options=CPU, folder=None)
    return plain, ResponseNetwork(
        part(), targets, picture_input=None, options=CPU, folder=None, with_maps=True
    )


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_equal_the_maps(layout: str) -> None:
    nodes = [node("Conv", "x w", "c"), node("Relu", "c", "r")]
    if layout == "NHWC":
        nodes.append(node("Transpose", "r", "t", perm=[0, 2, 3, 1]))
    targets = [Target("post", "t" if layout == "NHWC" else "r", layout), Target("pre", "c", "NCHW")]
    network, responses = networks(nodes, targets)
    found, maps = responses.input_responses({"x": IMAGE}), network.maps({"x": IMAGE})
    for layer in ("post", "pre"):
        own = found[layer].maps
        assert own is not None
        assert own.dtype == np.float32
        assert np.array_equal(own, maps[layer])
        assert np.array_equal(found[layer].max, own.max(axis=(2, 3)))
        second = found[layer].of(slice(1, 2)).maps
        assert second is not None
        assert np.array_equal(second, own[1:])


def test_half_precision_becomes_float32() -> None:
    nodes = [
        node("Cast", "x", "h", to=TensorProto.FLOAT16),
        node("Conv", "h v", "c"),
        node("Relu", "c", "r"),
        node("Cast", "r", "y", to=TensorProto.FLOAT),
    ]
    network, responses = networks(nodes, [Target("post", "r", "NCHW")], v=random(4, 3, 1, 1).astype("f2"))
    own = responses.input_responses({"x": IMAGE})["post"].maps
    assert own is not None
    assert own.dtype == np.float32
    assert np.array_equal(own, network.maps({"x": IMAGE})["post"].astype(np.float32))


def test_no_map_leaves_the_session_by_default() -> None:
    model = build([node("Conv", "x w", "c")], {"x": ["N", 3, "H", "W"]}, {"w": random(8, 3, 3, 3)})
    targets = [Target("pre", "c", "NCHW")]
    part = excerpt(model, [targets[0].wanted], picture_input=None, layout=None)
    network = ResponseNetwork(part, targets, picture_input=None, options=CPU, folder=None)
    assert network.input_responses({"x": IMAGE})["pre"].maps is None


def test_names_are_free() -> None:
    model = build([node("Conv", "x w", "filterkit_maps")], {"x": [1, 3, 4, 4]}, {"w": random(1, 3, 1, 1)})
    assert expose_maps(model, ["filterkit_maps", "x"]) == {
        "filterkit_maps": "filterkit_maps_1",
        "x": "filterkit_maps_2",
    }
