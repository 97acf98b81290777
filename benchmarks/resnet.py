"""A ResNet-50 (He et al. 2015) of full size, with random weights."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

BLOCKS = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width of the bottleneck, and number of blocks, of each stage."""


def resnet50() -> ModelProto:
    """53 convolutions, batch norms folded into them, and a dense layer with 1,000 outputs."""
    random, numbers = np.random.default_rng(0), count()
    nodes: list[NodeProto] = []
    stored: list[TensorProto] = []

    def op(operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}{next(numbers)}"
        nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weights(*shape: int) -> str:
        scale = np.sqrt(1 / max(int(np.prod(shape[1:])), 1))
        values = random.normal(0, scale, shape).astype(np.float32)
        stored.append(numpy_helper.from_array(values, f"weights{len(stored)}"))
        return stored[-1].name

    def conv(x: str, into: int, out: int, side: int, stride: int = 1) -> str:
        given: dict[str, Any] = {"kernel_shape": [side] * 2, "strides": [stride] * 2, "pads": [side // 2] * 4}
        return op("Conv", x, weights(out, into, side, side), weights(out), **given)

    x = op("Relu", conv("picture", 3, 64, 7, 2))
    x, wide = op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), 64
    for stage, (width, blocks) in enumerate(BLOCKS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = op("Relu", conv(x, wide, width, 1))
            inner = conv(op("Relu", conv(inner, width, width, 3, stride)), width, 4 * width, 1)
            beside = x if block else conv(x, wide, 4 * width, 1, stride)
            x, wide = op("Relu", op("Add", inner, beside)), 4 * width
    flat = op("Flatten", op("GlobalAveragePool", x))
    op("Gemm", flat, weights(1000, wide), weights(1000), transB=1)
    graph = helper.make_graph(
        nodes,
        "resnet50",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", 1000])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
