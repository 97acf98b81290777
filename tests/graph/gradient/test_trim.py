"""A position of a map, whose layers are trimmed, compared with the same number cut out of the whole map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
from gradient_checks import rules, run
from onnx_graphs import build, node, random

from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target

X = random(1, 3, 26, 22)
CORNERS_AND_MORE = [(0.0, 0.0), (1.0, 1.0), (0.0, 0.6), (0.5, 0.5), (0.3, 0.9)]


@dataclass
class Net:
    """Nodes on top of each other, with random weights."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def op(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"{operator}{len(self.nodes)}"
        self.nodes.append(node(operator, " ".join(inputs), name, **attributes))
        return name

    def conv(self, x: str, channels: int, into: int, kernel: int = 3, **attributes: object) -> str:
        name = f"w{len(self.weights)}"
        group = int(attributes.get("group", 1))  # type: ignore[call-overload]
        shape = into, channels // group, kernel, kernel
        self.weights[name] = random(*shape, seed=len(self.weights)) / np.float32(kernel)
        return self.op("Conv", x, name, **attributes)

    def constant(self, *shape: int) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = random(*shape, seed=len(self.weights))
        return name

    def model(self) -> onnx.ModelProto:
        return build(self.nodes, {"x": X.shape}, self.weights)


SAME = {"pads": [1, 1, 1, 1]}


def chain(net: Net) -> str:
    x = net.op("Relu", net.conv("x", 3, 8, **SAME))
    x = net.op("MaxPool", net.op("Relu", net.conv(x, 8, 8, **SAME)), kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", net.conv(x, 8, 8, 5, pads=[2, 2, 2, 2], group=2))
    return net.op("Relu", net.conv(x, 8, 4, **SAME))


def residual(net: Net) -> str:
    x = net.op("Relu", net.conv("x", 3, 6, auto_pad="SAME_UPPER", strides=[2, 2]))
    for _ in range(2):
        branch = net.op("LeakyRelu", net.conv(x, 6, 6, **SAME))
        x = net.op("Relu", net.op("Add", net.conv(branch, 6, 6, dilations=[2, 2], pads=[2, 2, 2, 2]), x))
    return net.op("Mul", x, net.constant(6, 1, 1))


def inception(net: Net) -> str:
    x = net.conv("x", 3, 6, auto_pad="SAME_LOWER", strides=[2, 2])
    pooled = net.op("MaxPool", x, kernel_shape=[3, 3], **SAME)
    mean = net.op("AveragePool", x, kernel_shape=[3, 3], count_include_pad=1, **SAME)
    without = net.op("AveragePool", x, kernel_shape=[3, 3], **SAME)
    x = net.op("Concat", pooled, mean, without, net.conv(x, 6, 2, 1), axis=1)
    return net.conv(net.op("LRN", x, size=3), 20, 4, **SAME)


def overlapping(net: Net) -> str:
    x = net.conv("x", 3, 6, pads=[0, 2, 1, 0])
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = net.op("AveragePool", net.conv(x, 6, 6, **SAME), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    return net.conv(x, 6, 4, **SAME)


def gated(net: Net) -> str:
    x = net.conv("x", 3, 6, **SAME)
    gate = net.op("Sigmoid", net.conv(net.op("GlobalAveragePool", x), 6, 6, 1))
    return net.conv(net.op("Mul", x, gate), 6, 4, **SAME)


def places(net: Net) -> str:
    x = net.op("Add", net.conv("x", 3, 6, **SAME), net.constant(1, 1, 26, 22))
    x = net.op("Add", x, net.constant(26, 22))  # without channels
    return net.conv(x, 6, 4, **SAME)


NETWORKS = [chain, residual, inception, overlapping, gated, places]


def both(net: Net, tensor: str, share: Sequence[float], wrt: Sequence[str], **given: object) -> list[list]:
    """What the graphs for a position, and for the same position cut out of the map, compute."""
    model = net.model()
    (maps,) = run(model, {"x": X})
    position = tuple(round(each * (size - 1)) for each, size in zip(share, maps.shape[2:], strict=True))
    trimmed = gradient(model, Target(tensor, "NCHW", (1, 2), position), wrt, rules=rules(), **given)
    ends = [place + 1 for place in position]
    bounds = dict(zip(("starts", "ends", "axes"), map(np.array, (position, ends, (2, 3))), strict=True))
    cut = Net([*net.nodes], {**net.weights, **bounds})
    one = cut.op("Slice", tensor, *bounds)
    whole = gradient(cut.model(), Target(one, "NCHW", (1, 2)), wrt, rules=rules(), **given)
    return [run(trimmed, {"x": X}), run(whole, {"x": X})]


@pytest.mark.parametrize("share", CORNERS_AND_MORE)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_position_is_that_of_the_whole_map(network: object, share: tuple[float, float]) -> None:
    net = Net()
    for found, expected in zip(*both(net, network(net), share, ["x"]), strict=True):  # type: ignore[operator]
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-6)


@pytest.mark.parametrize("override", ["guided", "deconvnet", "linear"])
@pytest.mark.parametrize("network", [chain, inception, overlapping])
def test_so_are_other_ways_back(network: object, override: str) -> None:
    net = Net()
    tensor = network(net)  # type: ignore[operator]
    for found, expected in zip(*both(net, tensor, (1.0, 0.0), ["x"], override=override), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-6)


def test_a_layer_whose_gradient_is_wanted_stays_whole() -> None:
    net = Net()
    tensor = residual(net)
    trimmed, whole = both(net, tensor, (0.5, 0.5), ["x", "Relu1", "LeakyRelu3"])
    assert [each.shape for each in trimmed] == [each.shape for each in whole]
    for found, expected in zip(trimmed, whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-6)


def sizes(built: onnx.ModelProto) -> list[int]:
    """The heights of the outputs of the forward convolutions."""
    inferred = onnx.shape_inference.infer_shapes(built)
    known = {value.name: value.type.tensor_type.shape.dim for value in inferred.graph.value_info}
    convolutions = [each.output[0] for each in built.graph.node if each.op_type == "Conv"]
    return [known[name][2].dim_value for name in convolutions if not name.startswith("gradient")]


def test_layers_compute_only_what_is_needed() -> None:
    net = Net()
    target = Target(chain(net), "NCHW", (0,), (6, 5))
    assert sizes(gradient(net.model(), target, "x", rules=rules())) == [16, 14, 3, 1]
    without = {operator: rule for operator, rule in rules().items() if operator != ("", "Slice")}
    assert sizes(gradient(net.model(), target, "x", rules=without)) == [26, 26, 13, 13]
