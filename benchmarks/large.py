"""The whole of VGG16 with its dense layers: 528 MB of random weights, of which the filters are 56 MB."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from catalog import adding
from measuring import Line
from onnx import TensorProto, helper, save

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
DENSE = (("fc1", 4096), ("fc2", 4096), ("predictions", 1000))


def write_vgg16(path: Path) -> None:
    """Write an ONNX file with the layers of VGG16 (Simonyan & Zisserman, 2015, configuration D)."""
    random = np.random.default_rng(0)
    nodes, weights = [], []
    tensor, channels = "picture", 3

    def add(op: str, name: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, [tensor, *inputs], [name], name=name, **attributes))
        return name

    def weight(name: str, *shape: int) -> str:
        values = random.standard_normal(shape, np.float32) * np.float32(0.02)
        raw = values.tobytes()
        weights.append(TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, raw_data=raw))
        return name

    for block, (layers, filters) in enumerate(BLOCKS, 1):
        for number in range(1, layers + 1):
            name = f"block{block}_conv{number}"
            kernel, bias = weight(f"{name}/kernel", filters, channels, 3, 3), weight(f"{name}/bias", filters)
            tensor = add("Conv", name, kernel, bias, kernel_shape=[3, 3], pads=[1] * 4)
            tensor, channels = add("Relu", f"{name}/relu"), filters
        tensor = add("MaxPool", f"block{block}_pool", kernel_shape=[2, 2], strides=[2, 2])
    tensor, channels = add("Flatten", "flatten"), channels * 7 * 7
    for (name, units), activation in itertools.zip_longest(DENSE, ("Relu", "Relu", "Softmax")):
        tensor = add("Gemm", name, weight(f"{name}/kernel", channels, units), weight(f"{name}/bias", units))
        tensor, channels = add(activation, f"{name}/{activation}"), units
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", 3, 224, 224])
    classes = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["N", 1000])
    graph = helper.make_graph(nodes, "vgg16", [picture], [classes], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def lines(catalog: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "vgg16.onnx"
        write_vgg16(model)
        yield from adding(model, "VGG16, whole", repeats=3, files=2)
