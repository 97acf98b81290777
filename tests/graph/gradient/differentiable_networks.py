"""Small networks with random weights, one for each of the usual architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx_graphs import build, node


@dataclass
class Network:
    """Adds nodes one by one; every method returns the name of a tensor."""

    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, Any] = field(default_factory=dict)

    def op(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"{operator}{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(node(operator, " ".join(inputs), " ".join(names), **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, value: Any) -> str:
        name = f"constant{len(self.weights)}"
        self.weights[name] = np.asarray(value)
        return name

    def conv(
        self, x: str, before: int, after: int, size: int = 3, *, group: int = 1, **attributes: Any
    ) -> str:
        shape = (after, before // group, size, size)
        weights = self.generator.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        bias = self.generator.normal(size=after) / 8
        inputs = [x, self.constant(weights.astype(np.float32)), self.constant(bias.astype(np.float32))]
        if not attributes.keys() & {"pads", "auto_pad"}:
            attributes["pads"] = [size // 2] * 4
        return str(self.op("Conv", *inputs, group=group, **attributes))

    def norm(self, x: str, channels: int) -> str:
        """Batch normalization."""
        numbers = self.generator.uniform(0.5, 1.5, (4, channels)).astype(np.float32)
        return str(self.op("BatchNormalization", x, *map(self.constant, numbers)))

    def model(self) -> onnx.ModelProto:
        return build(self.nodes, {"x": [1, 3, 16, 16]}, self.weights, opset=18)


def resnet() -> onnx.ModelProto:
    """Bottleneck blocks with projections, of which every second halves the size."""
    net = Network()

    def block(x: str, before: int, inner: int, stride: int) -> str:
        after, given = 4 * inner, {"strides": [stride] * 2}
        deep = net.op("Relu", net.norm(net.conv(x, before, inner, 1), inner))
        deep = net.op("Relu", net.norm(net.conv(deep, inner, inner, **given), inner))
        deep = net.norm(net.conv(deep, inner, after, 1), after)
        if before != after:
            x = net.norm(net.conv(x, before, after, 1, pads=[0] * 4, **given), after)
        return str(net.op("Relu", net.op("Add", deep, x)))

    x = net.op("Relu", net.norm(net.conv("x", 3, 4, 7, strides=[2, 2]), 4))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for before, inner, stride in ((4, 2, 1), (8, 2, 1), (8, 4, 2), (16, 4, 1)):
        x = block(x, before, inner, stride)
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    weights = net.generator.normal(size=(5, 16)).astype(np.float32)
    net.op("Gemm", x, net.constant(weights), net.constant(np.ones(5, np.float32)), transB=1)
    return net.model()


def densenet() -> onnx.ModelProto:
    """Each layer reads the outputs of all before it."""
    net = Network()
    x = net.op("MaxPool", net.conv("x", 3, 6, strides=[2, 2]), kernel_shape=[3, 3], pads=[1] * 4)
    for block in range(2):
        channels = 6 + 2 * block
        for _ in range(3):
            inner = net.conv(net.op("Relu", net.norm(x, channels)), channels, 8, 1)
            x = net.op("Concat", x, net.conv(net.op("Relu", net.norm(inner, 8)), 8, 4), axis=1)
            channels += 4
        x = net.conv(net.op("Relu", net.norm(x, channels)), channels, 8, 1)
        x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    net.op("Gemm", x, net.constant(net.generator.normal(size=(8, 5)).astype(np.float32)))
    return net.model()


def unet() -> onnx.ModelProto:
    """Down and up again, with skip connections, ConvTranspose and bilinear Resize."""
    net = Network()
    one = net.op("Relu", net.norm(net.conv("x", 3, 6), 6))
    two = net.op("Elu", net.conv(net.op("MaxPool", one, kernel_shape=[2, 2], strides=[2, 2]), 6, 8))
    x = net.op("Relu", net.conv(two, 8, 8, strides=[2, 2]))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    x = net.op("Concat", net.op("Resize", x, "_", scales, mode="linear"), two, axis=1)
    kernel = net.constant((net.generator.normal(size=(16, 6, 2, 2)) / 6).astype(np.float32))
    x = net.op("ConvTranspose", net.op("Relu", x), kernel, strides=[2, 2])
    net.op("Sigmoid", net.conv(net.op("Concat", x, one, axis=1), 12, 4, 1))
    return net.model()


def inception() -> onnx.ModelProto:
    """Parallel branches, among them overlapping pools of stride 1 and 2."""
    net = Network()
    x = net.op(
        "MaxPool", net.op("Relu", net.conv("x", 3, 8)), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
    )
    branches = [
        net.conv(x, 8, 4, 1),
        net.conv(net.op("Relu", net.conv(x, 8, 4, 1)), 4, 6),
        net.conv(net.op("Relu", net.conv(x, 8, 3, 1)), 3, 4, 5),
        net.conv(net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4), 8, 4, 1),
        net.conv(net.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4), 8, 4, 1),
    ]
    x = net.op("Relu", net.op("Concat", *branches, axis=1))
    parts = [
        net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2]),
        net.conv(x, 22, 6, 3, strides=[2, 2], pads=[0] * 4),
    ]
    x = net.op("GlobalMaxPool", net.op("Concat", *parts, axis=1))
    net.op("Softmax", net.op("Squeeze", x, net.constant([2, 3])))
    return net.model()


def yolo() -> onnx.ModelProto:
    """Focus, SiLU, split blocks, a pyramid of pools, nearest upsampling, and boxes from a distribution."""
    net = Network()

    def silu(x: str) -> str:
        return str(net.op("Mul", x, net.op("Sigmoid", x)))

    def every_second(x: str, *starts: int) -> str:
        given = (list(starts), [2**40] * 2, [2, 3], [2, 2])
        return str(net.op("Slice", x, *(net.constant(np.array(each)) for each in given)))

    corners = [every_second("x", top, left) for left in (0, 1) for top in (0, 1)]
    one = silu(net.conv(net.op("Concat", *corners, axis=1), 12, 8))
    halves = net.op("Split", one, net.constant([4, 4]), outputs=2, axis=1)
    inner = net.op("Add", silu(net.conv(halves[1], 4, 4)), halves[1])
    x = silu(net.conv(net.op("Concat", *halves, inner, axis=1), 12, 8, strides=[2, 2]))
    pools = [x]
    for _ in range(3):
        pools.append(net.op("MaxPool", pools[-1], kernel_shape=[5, 5], pads=[2] * 4))
    x = silu(net.conv(net.op("Concat", *pools, axis=1), 32, 8, 1))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    up = net.op("Resize", x, "_", scales, mode="nearest", coordinate_transformation_mode="asymmetric")
    x = net.conv(net.op("Concat", up, one, axis=1), 16, 10, 1)
    x = net.op("Reshape", x, net.constant([1, 10, -1]))
    boxes, classes = net.op("Split", x, net.constant([8, 2]), outputs=2, axis=1)
    shares = net.op("Reshape", boxes, net.constant([1, 4, 2, -1]))
    shares = net.op("Softmax", net.op("Transpose", shares, perm=[0, 2, 1, 3]), axis=1)
    x = net.op("Reshape", net.conv(shares, 2, 1, 1), net.constant([1, 4, -1]))
    net.op("Concat", x, net.op("Sigmoid", classes), axis=1)
    return net.model()


def mobilenet() -> onnx.ModelProto:
    """Inverted residuals of depthwise convolutions, Relu6, squeeze-and-excitation, and hard activations."""
    net = Network()
    x = net.op("HardSwish", net.norm(net.conv("x", 3, 4, strides=[2, 2], auto_pad="SAME_UPPER"), 4))
    zero, six = net.constant(np.float32(0)), net.constant(np.float32(6))
    for stride in (1, 2):
        wide = net.op("Clip", net.norm(net.conv(x, 4, 12, 1), 12), zero, six)
        deep = net.norm(net.conv(wide, 12, 12, group=12, strides=[stride] * 2), 12)
        pooled = net.op("ReduceMean", deep, net.constant([2, 3]))
        gate = net.op("HardSigmoid", net.conv(net.op("Relu", net.conv(pooled, 12, 3, 1)), 3, 12, 1))
        narrow = net.norm(net.conv(net.op("Mul", net.op("Clip", deep, zero, six), gate), 12, 4, 1), 4)
        x = net.op("Add", x, narrow) if stride == 1 else narrow
    x = net.op("ReduceMean", x, net.constant([2, 3]), keepdims=0)
    net.op("MatMul", x, net.constant(net.generator.normal(size=(4, 5)).astype(np.float32)))
    return net.model()


def style_transfer() -> onnx.ModelProto:
    """Reflected borders, instance normalization, and pixel shuffling."""
    net = Network()

    def reflected(x: str) -> str:
        pads = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
        return str(net.op("Pad", x, pads, mode="reflect"))

    def normalized(x: str, channels: int) -> str:
        numbers = net.generator.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
        return str(net.op("InstanceNormalization", x, *map(net.constant, numbers)))

    x = net.op("Relu", normalized(net.conv(reflected("x"), 3, 6, strides=[2, 2], pads=[0] * 4), 6))
    inner = net.op("Relu", normalized(net.conv(reflected(x), 6, 6, pads=[0] * 4), 6))
    x = net.op("Add", x, normalized(net.conv(reflected(inner), 6, 6, pads=[0] * 4), 6))
    net.op("Tanh", net.op("DepthToSpace", net.conv(x, 6, 12), blocksize=2, mode="CRD"))
    return net.model()


def transformer() -> onnx.ModelProto:
    """Patches, layer normalization and attention."""
    net = Network()
    x = net.op("Reshape", net.conv("x", 3, 8, 4, strides=[4, 4], pads=[0] * 4), net.constant([1, 8, 16]))
    x = net.op("Transpose", x, perm=[0, 2, 1])
    ones, zeros = net.constant(np.ones(8, np.float32)), net.constant(np.zeros(8, np.float32))
    heads = net.op("LayerNormalization", x, ones, zeros)

    def linear(tensor: str, before: int, after: int) -> str:
        weights = net.generator.normal(size=(before, after)) / np.sqrt(before)
        return str(net.op("MatMul", tensor, net.constant(weights.astype(np.float32))))

    parts = net.op("Split", linear(heads, 8, 24), net.constant([8, 8, 8]), outputs=3, axis=2)
    split = [net.op("Reshape", part, net.constant([1, 16, 2, 4])) for part in parts]
    query, key, values = (net.op("Transpose", part, perm=[0, 2, 1, 3]) for part in split)
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 1, 3, 2]))
    mixed = net.op("MatMul", net.op("Softmax", net.op("Div", scores, net.constant(np.float32(2)))), values)
    mixed = net.op("Reshape", net.op("Transpose", mixed, perm=[0, 2, 1, 3]), net.constant([1, 16, 8]))
    x = net.op("Add", x, linear(mixed, 8, 8))
    wide = linear(x, 8, 16)
    gate = net.op("Sigmoid", net.op("Mul", wide, net.constant(np.float32(1.702))))
    x = net.op("Add", x, linear(net.op("Mul", wide, gate), 16, 8))
    net.op("Gather", x, net.constant(np.array(0)), axis=1)
    return net.model()


SMALL: dict[str, Callable[[], onnx.ModelProto]] = {
    made.__name__: made
    for made in (resnet, densenet, unet, inception, yolo, mobilenet, style_transfer, transformer)
}
